"""python3-redis against the proxy; what every client here checks (see run)."""

import os
import sys
import threading
import traceback

import redis
from redis.connection import Connection, HiredisParser, PythonParser, SSLConnection
from redis.connection import UnixDomainSocketConnection

ENV = os.environ
PREFIX = ENV["CLIENT_PREFIX"]
USER = ENV["CLIENT_USER"]
PARSER = HiredisParser if sys.argv[1] == "hiredis" else PythonParser
ALL_BYTES = bytes(range(256)) * 4 + b"\r\n$-1\r\n"


def key(name):
    return f"{PREFIX}:{name}"


def connect(**options):
    options = {"parser_class": PARSER, "socket_timeout": 20, **options}
    if USER:
        options.update(username=USER, password=ENV["CLIENT_PASSWORD"])
    if ENV["CLIENT_TRANSPORT"] == "unix":
        kind, options["path"] = UnixDomainSocketConnection, ENV["CLIENT_SOCKET"]
    else:
        options.update(host="127.0.0.1", port=int(ENV["CLIENT_PORT"]))
        kind = Connection
        if ENV["CLIENT_TRANSPORT"] == "tls":
            kind, options["ssl_ca_certs"] = SSLConnection, ENV["CLIENT_CA"]
    return redis.Redis(connection_pool=redis.ConnectionPool(connection_class=kind, **options))


def check_connect(r):
    assert r.ping() is True
    assert connect().echo("hello") == b"hello"
    assert r.info("server")["redis_version"].startswith("7.")


def check_set_get(r):
    assert r.set(key("text"), "value") is True
    assert r.get(key("text")) == b"value"
    assert r.get(key("absent")) is None
    assert r.set(key("text"), "other", nx=True) is None
    assert r.set(key("timed"), "v", ex=100) is True and 0 < r.ttl(key("timed")) <= 100
    assert r.incrby(key("count"), 41) == 41 and r.incr(key("count")) == 42
    assert r.mset({key("m1"): "1", key("m2"): "2"}) is True
    assert r.mget(key("m1"), key("absent"), key("m2")) == [b"1", None, b"2"]
    assert r.delete(key("m1"), key("m2"), key("absent")) == 2


def check_binary(r):
    name = key("binary:").encode() + ALL_BYTES
    assert r.set(name, ALL_BYTES) is True
    assert r.get(name) == ALL_BYTES
    assert r.hset(name + b"h", ALL_BYTES, ALL_BYTES) == 1
    assert r.hgetall(name + b"h") == {ALL_BYTES: ALL_BYTES}
    assert r.set(key("empty"), b"") and r.get(key("empty")) == b""


def check_big_value(r):
    big = os.urandom(1 << 20) * 12
    assert r.set(key("big"), big) is True
    assert r.get(key("big")) == big
    assert r.strlen(key("big")) == len(big)


def check_pipeline(r):
    with r.pipeline(transaction=False) as pipe:
        for i in range(2000):
            pipe.set(key(f"p{i % 50}"), i).get(key(f"p{i % 50}"))
        replies = pipe.execute()
    assert replies[::2] == [True] * 2000
    assert replies[1::2] == [str(i).encode() for i in range(2000)]


def check_transaction(r):
    with r.pipeline() as pipe:
        pipe.set(key("t"), 1).incrby(key("t"), 4).lpush(key("tl"), "a", "b").lrange(key("tl"), 0, -1)
        assert pipe.execute() == [True, 5, 2, [b"b", b"a"]]
    with r.pipeline() as pipe:
        pipe.set(key("t"), "text").lpush(key("t"), "x").get(key("t"))
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and replies[2] == b"text"
    assert isinstance(replies[1], redis.ResponseError) and "WRONGTYPE" in str(replies[1])


def check_watch(r):
    r.set(key("w"), 1)
    with r.pipeline() as pipe:
        pipe.watch(key("w"))
        assert pipe.get(key("w")) == b"1"
        pipe.multi()
        pipe.set(key("w"), 2)
        assert pipe.execute() == [True]
        pipe.watch(key("w"))
        r.set(key("w"), 3)
        pipe.multi()
        pipe.set(key("w"), 4)
        try:
            pipe.execute()
            raise AssertionError("EXEC went through though the key was changed")
        except redis.WatchError:
            pass
    assert r.get(key("w")) == b"3"


def check_pubsub(r):
    subscriber = r.pubsub()
    subscriber.subscribe(key("news"))
    subscriber.psubscribe(key("p*"))
    assert subscriber.get_message(timeout=10)["type"] == "subscribe"
    assert subscriber.get_message(timeout=10)["type"] == "psubscribe"
    assert r.publish(key("news"), ALL_BYTES) == 1
    message = subscriber.get_message(timeout=10)
    assert message["type"] == "message" and message["data"] == ALL_BYTES
    assert r.publish(key("pattern"), "two") == 1
    assert subscriber.get_message(timeout=10)["type"] == "pmessage"
    subscriber.unsubscribe()
    assert subscriber.get_message(timeout=10)["type"] == "unsubscribe"
    subscriber.close()


def check_blocking(r):
    got = []
    waiter = threading.Thread(target=lambda: got.append(connect().blpop([key("q1"), key("q2")], 10)))
    waiter.start()
    r.rpush(key("q2"), "job")
    waiter.join(15)
    assert got == [(key("q2").encode(), b"job")], got
    assert r.blpop([key("q1")], timeout=0.05) is None
    r.zadd(key("z"), {"a": 1.5})
    assert r.bzpopmin([key("z")], 1) == (key("z").encode(), b"a", 1.5)


def check_scripts(r):
    assert r.eval("return {KEYS[1], ARGV[1], 7}", 1, key("s"), "x") == [key("s").encode(), b"x", 7]
    script = r.register_script("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
    assert script(keys=[key("s")], args=["first"]) == b"first"
    assert script(keys=[key("s")], args=["again"]) == b"again"
    assert r.script_exists(script.sha) == [True]
    try:
        r.evalsha("0" * 40, 0)
        raise AssertionError("an unknown script ran")
    except redis.exceptions.NoScriptError:
        pass


def check_streams(r):
    name = key("stream")
    first = r.xadd(name, {"f": "1"})
    second = r.xadd(name, {"f": "2"})
    assert [entry[0] for entry in r.xrange(name)] == [first, second]
    assert r.xgroup_create(name, "g", id="0") is True
    [[stream, entries]] = r.xreadgroup("g", "c", {name: ">"}, count=10)
    assert stream == name.encode() and entries == [(first, {b"f": b"1"}), (second, {b"f": b"2"})]
    assert r.xack(name, "g", first) == 1
    assert r.xpending(name, "g")["pending"] == 1
    assert r.xread({name: second}, block=20) == []


def check_client_name(r):
    named = connect(client_name="python-client")
    assert named.client_getname() == "python-client"
    assert named.execute_command("CLIENT SETINFO", "LIB-NAME", "python-redis") == b"OK"
    assert named.client_setname("renamed") is True and named.client_getname() == "renamed"
    assert isinstance(named.client_id(), int)
    assert "renamed" in [client["name"] for client in r.client_list()]


def check_select(r):
    other = connect(db=3)
    other.set(key("db"), "three")
    r.set(key("db"), "zero")
    assert other.get(key("db")) == b"three" and r.get(key("db")) == b"zero"


def check_users(r):
    assert r.acl_whoami() == (USER or "default")
    try:
        r.set("another's:key", "v")
        refused = False
    except redis.exceptions.NoPermissionError:
        refused = True
    assert refused == bool(USER)


def check_errors(r):
    def error_of(*command):
        try:
            r.execute_command(*command)
        except redis.ResponseError as error:
            return type(error), str(error)
        return None, "no error"

    r.rpush(key("list"), "a")
    assert error_of("GET", key("list"))[1].startswith("WRONGTYPE Operation against a key")
    assert error_of("NOSUCHCOMMAND", "a")[1].startswith("unknown command 'NOSUCHCOMMAND'")
    assert error_of("GET")[1] == "wrong number of arguments for 'get' command"
    assert error_of("HELLO", "9")[1].startswith("NOPROTO")
    assert r.ping() is True


def check_types(r):
    assert r.zadd(key("zs"), {"a": 1.25, "b": float("inf")}) == 2
    assert r.zrange(key("zs"), 0, -1, withscores=True) == [(b"a", 1.25), (b"b", float("inf"))]
    assert r.zscore(key("zs"), "a") == 1.25
    assert r.sadd(key("st"), "x", "y") == 2 and r.smembers(key("st")) == {b"x", b"y"}
    assert r.hset(key("h"), mapping={"f": 1, "g": 2}) == 2
    assert r.hgetall(key("h")) == {b"f": b"1", b"g": b"2"}
    assert r.incrbyfloat(key("fl"), 1.5) == 1.5
    assert r.sismember(key("st"), "x") in (True, 1)


def main():
    for name, check in sorted(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            check(connect())
            print(f"ok {name[6:]}", flush=True)
        except Exception as error:  # every failure of a check is a line of the report
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = str(error) or where.line
            print(f"not ok {name[6:]}: {type(error).__name__}: {text} (line {where.lineno})", flush=True)


main()
