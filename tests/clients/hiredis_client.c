/* hiredis against the proxy. A check that fails says so and ends with its connection. */
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf next_check;
static char why[512];
static char bytes[264];

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition)) {                                                        \
      snprintf(why, sizeof why, "line %d: %s", __LINE__, #condition);          \
      longjmp(next_check, 1);                                                  \
    }                                                                          \
  } while (0)

static redisContext *Connect(void) {
  const struct timeval timeout = {20, 0};
  const char *transport = getenv("CLIENT_TRANSPORT");
  redisContext *c = strcmp(transport, "unix") == 0
                        ? redisConnectUnixWithTimeout(getenv("CLIENT_SOCKET"), timeout)
                        : redisConnectWithTimeout("127.0.0.1", atoi(getenv("CLIENT_PORT")), timeout);
  if (c == NULL || c->err) {
    fprintf(stderr, "no connection: %s\n", c ? c->errstr : "out of memory");
    exit(1);
  }
  redisSetTimeout(c, timeout);
  const char *user = getenv("CLIENT_USER");
  if (user[0] != '\0') {
    const redisReply *r = redisCommand(c, "AUTH %s %s", user, getenv("CLIENT_PASSWORD"));
    if (r == NULL || r->type != REDIS_REPLY_STATUS) {
      fprintf(stderr, "AUTH was refused\n");
      exit(1);
    }
  }
  return c;
}

/* Lives until sixteen names later. */
static const char *Key(const char *name) {
  static char names[16][128];
  static int next;
  char *to = names[next++ % 16];
  snprintf(to, sizeof names[0], "%s:%s", getenv("CLIENT_PREFIX"), name);
  return to;
}

static int IsText(const redisReply *r, const char *text) {
  return r != NULL && (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS) &&
         strcmp(r->str, text) == 0;
}

static int IsInteger(const redisReply *r, long long value) {
  return r != NULL && r->type == REDIS_REPLY_INTEGER && r->integer == value;
}

static int IsError(const redisReply *r, const char *prefix) {
  return r != NULL && r->type == REDIS_REPLY_ERROR && strncmp(r->str, prefix, strlen(prefix)) == 0;
}

static int IsNil(const redisReply *r) { return r != NULL && r->type == REDIS_REPLY_NIL; }

static int IsArray(const redisReply *r, size_t elements) {
  return r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements == elements;
}

/* Replies are not freed: the process is short. */
#define CALL(...) ((redisReply *)redisCommand(c, __VA_ARGS__))

static void CheckConnect(redisContext *c) {
  EXPECT(IsText(CALL("PING"), "PONG"));
  EXPECT(IsText(CALL("ECHO %s", "hello"), "hello"));
}

static void CheckSetGet(redisContext *c) {
  EXPECT(IsText(CALL("SET %s value", Key("text")), "OK"));
  EXPECT(IsText(CALL("GET %s", Key("text")), "value"));
  EXPECT(IsNil(CALL("GET %s", Key("absent"))));
  EXPECT(IsNil(CALL("SET %s other NX", Key("text"))));
  EXPECT(IsInteger(CALL("INCRBY %s 42", Key("count")), 42));
  EXPECT(IsText(CALL("MSET %s 1 %s 2", Key("m1"), Key("m2")), "OK"));
  redisReply *r = CALL("MGET %s %s %s", Key("m1"), Key("absent"), Key("m2"));
  EXPECT(IsArray(r, 3) && IsText(r->element[0], "1") && IsNil(r->element[1]));
  EXPECT(IsInteger(CALL("DEL %s %s", Key("m1"), Key("m2")), 2));
}

static void CheckBinary(redisContext *c) {
  const char *key = Key("binary:");
  EXPECT(IsText(CALL("SET %s%b %b", key, bytes, sizeof bytes, bytes, sizeof bytes), "OK"));
  redisReply *r = CALL("GET %s%b", key, bytes, sizeof bytes);
  EXPECT(r != NULL && (size_t)r->len == sizeof bytes && memcmp(r->str, bytes, sizeof bytes) == 0);
  EXPECT(IsInteger(CALL("DEL %s%b", key, bytes, sizeof bytes), 1));
}

static void CheckBigValue(redisContext *c) {
  const size_t size = 12 << 20;
  char *big = malloc(size);
  EXPECT(big != NULL);
  for (size_t i = 0; i < size; ++i) big[i] = bytes[i % sizeof bytes];
  EXPECT(IsText(CALL("SET %s %b", Key("big"), big, size), "OK"));
  redisReply *r = CALL("GET %s", Key("big"));
  EXPECT(r != NULL && (size_t)r->len == size && memcmp(r->str, big, size) == 0);
}

static void CheckPipeline(redisContext *c) {
  for (int i = 0; i < 2000; ++i) {
    redisAppendCommand(c, "SET %s %d", Key("p"), i);
    redisAppendCommand(c, "GET %s", Key("p"));
  }
  for (int i = 0; i < 2000; ++i) {
    redisReply *set = NULL, *get = NULL;
    EXPECT(redisGetReply(c, (void **)&set) == REDIS_OK && IsText(set, "OK"));
    EXPECT(redisGetReply(c, (void **)&get) == REDIS_OK && get->type == REDIS_REPLY_STRING);
    EXPECT(atoi(get->str) == i);
  }
}

static void CheckTransaction(redisContext *c) {
  EXPECT(IsText(CALL("MULTI"), "OK"));
  EXPECT(IsText(CALL("SET %s text", Key("t")), "QUEUED"));
  EXPECT(IsText(CALL("LPUSH %s x", Key("t")), "QUEUED"));
  EXPECT(IsText(CALL("GET %s", Key("t")), "QUEUED"));
  redisReply *r = CALL("EXEC");
  EXPECT(IsArray(r, 3) && IsText(r->element[0], "OK") && IsError(r->element[1], "WRONGTYPE") &&
         IsText(r->element[2], "text"));
  EXPECT(IsError(CALL("EXEC"), "ERR EXEC without MULTI"));
}

static void CheckWatch(redisContext *c) {
  redisContext *other = Connect();
  EXPECT(IsText(CALL("WATCH %s", Key("w")), "OK"));
  EXPECT(IsText(redisCommand(other, "SET %s 1", Key("w")), "OK"));
  EXPECT(IsText(CALL("MULTI"), "OK"));
  EXPECT(IsText(CALL("SET %s 2", Key("w")), "QUEUED"));
  EXPECT(IsNil(CALL("EXEC")));
  EXPECT(IsText(CALL("GET %s", Key("w")), "1"));
}

static void CheckPubsub(redisContext *c) {
  redisContext *other = Connect();
  EXPECT(IsArray(CALL("SUBSCRIBE %s", Key("news")), 3));
  EXPECT(IsInteger(redisCommand(other, "PUBLISH %s %b", Key("news"), bytes, sizeof bytes), 1));
  redisReply *r = NULL;
  EXPECT(redisGetReply(c, (void **)&r) == REDIS_OK && IsArray(r, 3));
  EXPECT(IsText(r->element[0], "message") && (size_t)r->element[2]->len == sizeof bytes);
}

static void CheckBlocking(redisContext *c) {
  redisContext *other = Connect();
  redisAppendCommand(c, "BLPOP %s %s 10", Key("q1"), Key("q2"));
  int done = 0;
  while (!done) EXPECT(redisBufferWrite(c, &done) == REDIS_OK);
  EXPECT(redisCommand(other, "RPUSH %s job", Key("q2")) != NULL);
  redisReply *r = NULL;
  EXPECT(redisGetReply(c, (void **)&r) == REDIS_OK && IsArray(r, 2) && IsText(r->element[1], "job"));
  EXPECT(IsNil(CALL("BLPOP %s 0.05", Key("q1"))));
}

static void CheckScripts(redisContext *c) {
  redisReply *r = CALL("EVAL %s 1 %s x", "return {KEYS[1], ARGV[1], 7}", Key("s"));
  EXPECT(IsArray(r, 3) && IsText(r->element[1], "x") && IsInteger(r->element[2], 7));
  EXPECT(IsError(CALL("EVALSHA %s 0", "0000000000000000000000000000000000000000"), "NOSCRIPT"));
}

static void CheckStreams(redisContext *c) {
  redisReply *id = CALL("XADD %s * f 1", Key("stream"));
  EXPECT(id != NULL && id->type == REDIS_REPLY_STRING);
  EXPECT(IsText(CALL("XGROUP CREATE %s g 0", Key("stream")), "OK"));
  redisReply *r = CALL("XREADGROUP GROUP g c STREAMS %s >", Key("stream"));
  EXPECT(IsArray(r, 1) && IsArray(r->element[0], 2) && IsArray(r->element[0]->element[1], 1));
  EXPECT(IsText(r->element[0]->element[1]->element[0]->element[0], id->str));
  EXPECT(IsInteger(CALL("XACK %s g %s", Key("stream"), id->str), 1));
  EXPECT(IsNil(CALL("XREAD BLOCK 20 STREAMS %s %s", Key("stream"), id->str)));
}

static void CheckClientName(redisContext *c) {
  EXPECT(IsText(CALL("CLIENT SETNAME hiredis-client"), "OK"));
  EXPECT(IsText(CALL("CLIENT GETNAME"), "hiredis-client"));
  EXPECT(IsText(CALL("CLIENT SETINFO LIB-NAME hiredis"), "OK"));
  redisReply *r = CALL("CLIENT LIST");
  EXPECT(r != NULL && r->type == REDIS_REPLY_STRING && strstr(r->str, " name=hiredis-client "));
}

static void CheckSelect(redisContext *c) {
  redisContext *other = Connect();
  EXPECT(IsText(redisCommand(other, "SELECT 3"), "OK"));
  EXPECT(IsText(redisCommand(other, "SET %s three", Key("db")), "OK"));
  EXPECT(IsText(CALL("SET %s zero", Key("db")), "OK"));
  EXPECT(IsText(redisCommand(other, "GET %s", Key("db")), "three"));
}

static void CheckUsers(redisContext *c) {
  const char *user = getenv("CLIENT_USER");
  const int named = user[0] != '\0';
  EXPECT(IsText(CALL("ACL WHOAMI"), named ? user : "default"));
  const redisReply *set = CALL("SET another's:key v");
  EXPECT(named ? IsError(set, "NOPERM") : IsText(set, "OK"));
}

static void CheckErrors(redisContext *c) {
  EXPECT(IsInteger(CALL("RPUSH %s a", Key("list")), 1));
  EXPECT(IsError(CALL("GET %s", Key("list")), "WRONGTYPE Operation against a key"));
  EXPECT(IsError(CALL("NOSUCHCOMMAND a"), "ERR unknown command 'NOSUCHCOMMAND'"));
  EXPECT(IsError(CALL("GET"), "ERR wrong number of arguments for 'get' command"));
  EXPECT(IsError(CALL("HELLO 9"), "NOPROTO"));
  EXPECT(IsText(CALL("PING"), "PONG"));
}

static void CheckTypes(redisContext *c) {
  EXPECT(IsInteger(CALL("ZADD %s 1.25 a", Key("zs")), 1));
  EXPECT(IsText(CALL("ZSCORE %s a", Key("zs")), "1.25"));
  EXPECT(IsInteger(CALL("SADD %s x y", Key("st")), 2));
  EXPECT(IsArray(CALL("SMEMBERS %s", Key("st")), 2));
  EXPECT(IsInteger(CALL("HSET %s f 1 g 2", Key("h")), 2));
  EXPECT(IsArray(CALL("HGETALL %s", Key("h")), 4));
}

int main(void) {
  static const struct {
    const char *name;
    void (*run)(redisContext *);
  } kChecks[] = {{"connect", CheckConnect},   {"set_get", CheckSetGet},
                 {"binary", CheckBinary},     {"big_value", CheckBigValue},
                 {"pipeline", CheckPipeline}, {"transaction", CheckTransaction},
                 {"watch", CheckWatch},       {"pubsub", CheckPubsub},
                 {"blocking", CheckBlocking}, {"scripts", CheckScripts},
                 {"streams", CheckStreams},   {"client_name", CheckClientName},
                 {"select", CheckSelect},     {"users", CheckUsers},
                 {"errors", CheckErrors},     {"types", CheckTypes}};
  for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = (char)i;
  for (volatile size_t i = 0; i < sizeof kChecks / sizeof kChecks[0]; ++i) {
    if (setjmp(next_check) == 0) {
      kChecks[i].run(Connect());
      printf("ok %s\n", kChecks[i].name);
    } else {
      printf("not ok %s: %s\n", kChecks[i].name, why);
    }
    fflush(stdout);
  }
  return 0;
}
