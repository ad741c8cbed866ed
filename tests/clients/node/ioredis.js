// ioredis against the proxy.
'use strict';

const assert = require('assert').strict;
const Redis = require(process.argv[2]);
const {allBytes, errorOf, key, runAll, transport, port, socket, ca, protocol, user} =
    require('./checks');

function connect(more = {}) {
  const options = {...user, ...more};
  if (protocol !== undefined) options.protocol = protocol;
  if (transport === 'unix') {
    options.path = socket;
  } else {
    Object.assign(options, {host: '127.0.0.1', port});
    if (transport === 'tls') options.tls = {ca: ca()};
  }
  const client = new (Redis.Redis || Redis)(options);
  client.on('error', () => {});
  return client;
}

const r = connect();
const text = (value) => Buffer.isBuffer(value) ? value.toString() : value;

runAll({
  async connect() {
    assert.equal(await r.ping(), 'PONG');
    assert.equal(await connect().echo('hello'), 'hello');
    assert.match(await r.info('server'), /redis_version:7\./);
  },
  async set_get() {
    assert.equal(await r.set(key('text'), 'value'), 'OK');
    assert.equal(await r.get(key('text')), 'value');
    assert.equal(await r.get(key('absent')), null);
    assert.equal(await r.set(key('text'), 'other', 'NX'), null);
    assert.equal(await r.set(key('timed'), 'v', 'EX', 100), 'OK');
    const ttl = await r.ttl(key('timed'));
    assert.ok(ttl > 0 && ttl <= 100);
    assert.equal(await r.incrby(key('count'), 42), 42);
    await r.mset(key('m1'), '1', key('m2'), '2');
    assert.deepEqual(await r.mget(key('m1'), key('absent'), key('m2')), ['1', null, '2']);
    assert.equal(await r.del(key('m1'), key('m2'), key('absent')), 2);
  },
  async binary() {
    const name = Buffer.concat([Buffer.from(key('binary:')), allBytes]);
    assert.equal(await r.set(name, allBytes), 'OK');
    assert.ok(allBytes.equals(await r.getBuffer(name)));
    assert.equal(await r.set(key('empty'), ''), 'OK');
    assert.equal(await r.get(key('empty')), '');
  },
  async big_value() {
    const big = Buffer.alloc(12 << 20, allBytes);
    assert.equal(await r.set(key('big'), big), 'OK');
    assert.ok(big.equals(await r.getBuffer(key('big'))));
    assert.equal(await r.strlen(key('big')), big.length);
  },
  async pipeline() {
    const pipe = r.pipeline();
    for (let i = 0; i < 2000; ++i) pipe.set(key(`p${i % 50}`), i).get(key(`p${i % 50}`));
    const replies = await pipe.exec();
    replies.forEach(([error, value], i) => {
      assert.equal(error, null);
      assert.equal(value, i % 2 ? String((i - 1) / 2) : 'OK');
    });
    assert.equal(replies.length, 4000);
  },
  async transaction() {
    const good = await r.multi().set(key('t'), 1).incrby(key('t'), 4)
        .rpush(key('tl'), 'a', 'b').lrange(key('tl'), 0, -1).exec();
    assert.deepEqual(good, [[null, 'OK'], [null, 5], [null, 2], [null, ['a', 'b']]]);
    const bad = await r.multi().set(key('t'), 'x').lpush(key('t'), 'y').get(key('t')).exec();
    assert.match(bad[1][0].message, /^WRONGTYPE/);
    assert.equal(bad[2][1], 'x');
  },
  async watch() {
    const own = connect();
    await own.set(key('w'), 1);
    await own.watch(key('w'));
    assert.equal(await own.get(key('w')), '1');
    assert.deepEqual(await own.multi().set(key('w'), 2).exec(), [[null, 'OK']]);
    await own.watch(key('w'));
    await r.set(key('w'), 3);
    assert.equal(await own.multi().set(key('w'), 4).exec(), null);
    assert.equal(await r.get(key('w')), '3');
  },
  async pubsub() {
    const subscriber = connect();
    const message = new Promise((done) => subscriber.on('messageBuffer', (...all) => done(all)));
    const other = new Promise((done) => subscriber.on('pmessage', (...all) => done(all)));
    assert.equal(await subscriber.subscribe(key('news')), 1);
    assert.equal(await subscriber.psubscribe(key('p*')), 2);
    assert.equal(await r.publish(key('news'), allBytes), 1);
    assert.ok(allBytes.equals((await message)[1]));
    assert.equal(await r.publish(key('pattern'), 'two'), 1);
    assert.deepEqual(await other, [key('p*'), key('pattern'), 'two']);
    assert.equal(await subscriber.unsubscribe(key('news')), 1);
    subscriber.disconnect();
  },
  async blocking() {
    const waiter = connect();
    const popped = waiter.blpop(key('q1'), key('q2'), 10);
    await r.rpush(key('q2'), 'job');
    assert.deepEqual(await popped, [key('q2'), 'job']);
    assert.equal(await waiter.blpop(key('q1'), 0.05), null);
    await r.zadd(key('z'), 1.5, 'a');
    const [name, member, score] = await waiter.bzpopmin(key('z'), 1);
    assert.deepEqual([name, member, Number(score)], [key('z'), 'a', 1.5]);
  },
  async scripts() {
    assert.deepEqual(await r.eval('return {KEYS[1], ARGV[1], 7}', 1, key('s'), 'x'),
                     [key('s'), 'x', 7]);
    r.defineCommand('putAndGet', {
      numberOfKeys: 1,
      lua: "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])",
    });
    assert.equal(await r.putAndGet(key('s'), 'first'), 'first');
    assert.equal(await r.putAndGet(key('s'), 'again'), 'again');
    assert.match(await errorOf(r.evalsha('0'.repeat(40), 0)), /^NOSCRIPT/);
  },
  async streams() {
    const name = key('stream');
    const first = await r.xadd(name, '*', 'f', '1');
    const second = await r.xadd(name, '*', 'f', '2');
    assert.deepEqual(await r.xrange(name, '-', '+'), [[first, ['f', '1']], [second, ['f', '2']]]);
    assert.equal(await r.xgroup('CREATE', name, 'g', '0'), 'OK');
    const read = await r.xreadgroup('GROUP', 'g', 'c', 'COUNT', 10, 'STREAMS', name, '>');
    const entries = Array.isArray(read) ? read[0][1] : Object.values(read)[0];
    assert.deepEqual(entries, [[first, ['f', '1']], [second, ['f', '2']]]);
    assert.equal(await r.xack(name, 'g', first), 1);
    assert.equal((await r.xpending(name, 'g'))[0], 1);
    assert.equal(await connect().xread('BLOCK', 20, 'STREAMS', name, second), null);
  },
  async client_name() {
    const named = connect({connectionName: 'ioredis-client'});
    assert.equal(await named.client('GETNAME'), 'ioredis-client');
    assert.equal(await named.client('SETINFO', 'LIB-NAME', 'ioredis'), 'OK');
    assert.equal(await named.client('SETNAME', 'renamed'), 'OK');
    assert.ok(Number(await named.client('ID')) > 0);
    assert.match(text(await r.client('LIST')), / name=renamed /);
  },
  async select() {
    const other = connect({db: 3});
    await other.set(key('db'), 'three');
    await r.set(key('db'), 'zero');
    assert.equal(await other.get(key('db')), 'three');
    assert.equal(await r.get(key('db')), 'zero');
  },
  async users() {
    assert.equal(await r.acl('WHOAMI'), user.username || 'default');
    const refused = await errorOf(r.set("another's:key", 'v'));
    assert.match(refused, user.username ? /^NOPERM/ : /^no error$/);
  },
  async errors() {
    await r.rpush(key('list'), 'a');
    assert.match(await errorOf(r.get(key('list'))), /^WRONGTYPE Operation against a key/);
    assert.match(await errorOf(r.call('NOSUCHCOMMAND', 'a')), /^ERR unknown command 'NOSUCHCOMMAND'/i);
    assert.equal(await errorOf(r.call('GET')), "ERR wrong number of arguments for 'get' command");
    assert.match(await errorOf(r.call('HELLO', '9')), /^NOPROTO/);
    assert.equal(await r.ping(), 'PONG');
  },
  async types() {
    assert.equal(await r.zadd(key('zs'), 1.25, 'a', '+inf', 'b'), 2);
    assert.equal(Number(await r.zscore(key('zs'), 'a')), 1.25);
    const ranked = (await r.zrange(key('zs'), 0, -1, 'WITHSCORES')).flat().map(String);
    assert.deepEqual(ranked.map((item) => item.toLowerCase().replace('infinity', 'inf')),
                     ['a', '1.25', 'b', 'inf']);
    assert.equal(await r.sadd(key('st'), 'x', 'y'), 2);
    assert.deepEqual([...await r.smembers(key('st'))].sort(), ['x', 'y']);
    assert.equal(await r.hset(key('h'), 'f', 1, 'g', 2), 2);
    assert.deepEqual({...await r.hgetall(key('h'))}, {f: '1', g: '2'});
  },
});
