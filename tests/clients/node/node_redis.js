// node-redis against the proxy.
'use strict';

const assert = require('assert').strict;
const {createClient, RESP_TYPES} = require(process.argv[2]);
const {allBytes, errorOf, key, runAll, transport, port, socket, ca, protocol, user} =
    require('./checks');

async function connect(more = {}) {
  const options = {...user, ...more};
  if (protocol !== undefined) options.RESP = protocol;
  if (transport === 'unix') {
    options.socket = {path: socket};
  } else {
    options.socket = {host: '127.0.0.1', port};
    if (transport === 'tls') Object.assign(options.socket, {tls: true, ca: ca()});
  }
  Object.assign(options.socket, {reconnectStrategy: false});
  const client = createClient(options);
  client.on('error', () => {});
  await client.connect();
  return client;
}

const shared = {};
const client = async () => shared.client || (shared.client = await connect());
const raw = (r) => r.withTypeMapping({[RESP_TYPES.BLOB_STRING]: Buffer});

runAll({
  async connect() {
    const r = await client();
    assert.equal(await r.ping(), 'PONG');
    assert.equal(await (await connect()).echo('hello'), 'hello');
    assert.match(String(await r.info('server')), /redis_version:7\./);
  },
  async set_get() {
    const r = await client();
    assert.equal(await r.set(key('text'), 'value'), 'OK');
    assert.equal(await r.get(key('text')), 'value');
    assert.equal(await r.get(key('absent')), null);
    assert.equal(await r.sendCommand(['SET', key('text'), 'other', 'NX']), null);
    assert.equal(await r.setEx(key('timed'), 100, 'v'), 'OK');
    const ttl = await r.ttl(key('timed'));
    assert.ok(ttl > 0 && ttl <= 100);
    assert.equal(await r.incrBy(key('count'), 42), 42);
    await r.mSet({[key('m1')]: '1', [key('m2')]: '2'});
    assert.deepEqual(await r.mGet([key('m1'), key('absent'), key('m2')]), ['1', null, '2']);
    assert.equal(await r.del([key('m1'), key('m2'), key('absent')]), 2);
  },
  async binary() {
    const r = raw(await client());
    const name = Buffer.concat([Buffer.from(key('binary:')), allBytes]);
    assert.equal(String(await r.set(name, allBytes)), 'OK');
    assert.ok(allBytes.equals(await r.get(name)));
    assert.equal(String(await r.set(key('empty'), '')), 'OK');
    assert.equal((await r.get(key('empty'))).length, 0);
  },
  async big_value() {
    const r = raw(await client());
    const big = Buffer.alloc(12 << 20, allBytes);
    assert.equal(String(await r.set(key('big'), big)), 'OK');
    assert.ok(big.equals(await r.get(key('big'))));
    assert.equal(await r.strLen(key('big')), big.length);
  },
  async pipeline() {
    const r = await client();
    const all = [];
    for (let i = 0; i < 2000; ++i) {
      all.push(r.set(key(`p${i % 50}`), String(i)), r.get(key(`p${i % 50}`)));
    }
    (await Promise.all(all)).forEach((value, i) => {
      assert.equal(value, i % 2 ? String((i - 1) / 2) : 'OK');
    });
  },
  async transaction() {
    const r = await client();
    const good = await r.multi().set(key('t'), '1').incrBy(key('t'), 4)
        .rPush(key('tl'), ['a', 'b']).lRange(key('tl'), 0, -1).exec();
    assert.deepEqual(good, ['OK', 5, 2, ['a', 'b']]);
    const bad = await r.multi().set(key('t'), 'x').lPush(key('t'), 'y').get(key('t')).exec()
        .catch((error) => error.replies);
    assert.match(String(bad[1].message), /^WRONGTYPE/);
    assert.equal(bad[2], 'x');
  },
  async watch() {
    const r = await client();
    const own = await connect();
    await own.set(key('w'), '1');
    await own.watch(key('w'));
    assert.equal(await own.get(key('w')), '1');
    assert.deepEqual(await own.multi().set(key('w'), '2').exec(), ['OK']);
    await own.watch(key('w'));
    await r.set(key('w'), '3');
    assert.match(await errorOf(own.multi().set(key('w'), '4').exec()), /watched keys has been changed/);
    assert.equal(await r.get(key('w')), '3');
  },
  async pubsub() {
    const r = await client();
    const subscriber = await connect();
    let deliver;
    const message = new Promise((done) => { deliver = done; });
    await subscriber.subscribe(key('news'), (text) => deliver(text), true);
    assert.equal(await r.publish(key('news'), allBytes), 1);
    assert.ok(allBytes.equals(await message));
    const other = new Promise((done) => { deliver = (...all) => done(all); });
    await subscriber.pSubscribe(key('p*'), (...all) => deliver(...all));
    assert.equal(await r.publish(key('pattern'), 'two'), 1);
    assert.deepEqual(await other, ['two', key('pattern')]);
    await subscriber.unsubscribe(key('news'));
    assert.equal(await r.publish(key('news'), 'nobody'), 0);
    subscriber.destroy();
  },
  async blocking() {
    const r = await client();
    const waiter = await connect();
    const popped = waiter.blPop([key('q1'), key('q2')], 10);
    await r.rPush(key('q2'), 'job');
    assert.deepEqual({...await popped}, {key: key('q2'), element: 'job'});
    assert.equal(await waiter.blPop(key('q1'), 0.05), null);
    await r.zAdd(key('z'), {score: 1.5, value: 'a'});
    assert.deepEqual({...await waiter.bzPopMin(key('z'), 1)}, {key: key('z'), value: 'a', score: 1.5});
  },
  async scripts() {
    const r = await client();
    assert.deepEqual(await r.eval('return {KEYS[1], ARGV[1], 7}', {keys: [key('s')], arguments: ['x']}),
                     [key('s'), 'x', 7]);
    const sha = await r.scriptLoad("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])");
    assert.equal(await r.evalSha(sha, {keys: [key('s')], arguments: ['first']}), 'first');
    assert.match(await errorOf(r.evalSha('0'.repeat(40), {keys: [], arguments: []})), /^NOSCRIPT/);
  },
  async streams() {
    const r = await client();
    const name = key('stream');
    const first = await r.xAdd(name, '*', {f: '1'});
    const second = await r.xAdd(name, '*', {f: '2'});
    assert.deepEqual((await r.xRange(name, '-', '+')).map((entry) => entry.id), [first, second]);
    assert.equal(await r.xGroupCreate(name, 'g', '0'), 'OK');
    const raw = await r.sendCommand(
        ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '10', 'STREAMS', name, '>']);
    assert.ok(JSON.stringify(raw instanceof Map ? [...raw] : raw).includes(second));
    assert.equal(await r.xAck(name, 'g', first), 1);
    assert.equal((await r.xPending(name, 'g')).pending, 1);
    assert.equal(await (await connect()).sendCommand(['XREAD', 'BLOCK', '20', 'STREAMS', name, second]),
                 null);
  },
  async client_name() {
    const r = await client();
    const named = await connect({name: 'node-client'});
    assert.equal(await named.clientGetName(), 'node-client');
    assert.equal(await named.sendCommand(['CLIENT', 'SETINFO', 'LIB-NAME', 'node']), 'OK');
    assert.equal(await named.clientSetName('renamed'), 'OK');
    assert.ok(await named.clientId() > 0);
    assert.match(String(await r.sendCommand(['CLIENT', 'LIST'])), / name=renamed /);
  },
  async select() {
    const r = await client();
    const other = await connect({database: 3});
    await other.set(key('db'), 'three');
    await r.set(key('db'), 'zero');
    assert.equal(await other.get(key('db')), 'three');
    assert.equal(await r.get(key('db')), 'zero');
  },
  async users() {
    const r = await client();
    assert.equal(await r.aclWhoAmI(), user.username || 'default');
    const refused = await errorOf(r.set("another's:key", 'v'));
    assert.match(refused, user.username ? /^NOPERM/ : /^no error$/);
  },
  async errors() {
    const r = await client();
    await r.rPush(key('list'), 'a');
    assert.match(await errorOf(r.get(key('list'))), /^WRONGTYPE Operation against a key/);
    assert.match(await errorOf(r.sendCommand(['NOSUCHCOMMAND', 'a'])), /^ERR unknown command 'NOSUCHCOMMAND'/);
    assert.equal(await errorOf(r.sendCommand(['GET'])), "ERR wrong number of arguments for 'get' command");
    assert.match(await errorOf(r.sendCommand(['HELLO', '9'])), /^NOPROTO/);
    assert.equal(await r.ping(), 'PONG');
  },
  async types() {
    const r = await client();
    assert.equal(await r.zAdd(key('zs'), [{score: 1.25, value: 'a'}, {score: Infinity, value: 'b'}]), 2);
    assert.equal(await r.zScore(key('zs'), 'a'), 1.25);
    assert.deepEqual((await r.zRangeWithScores(key('zs'), 0, -1)).map((item) => ({...item})),
                     [{value: 'a', score: 1.25}, {value: 'b', score: Infinity}]);
    assert.equal(await r.sAdd(key('st'), ['x', 'y']), 2);
    assert.deepEqual([...await r.sMembers(key('st'))].sort(), ['x', 'y']);
    assert.equal(await r.hSet(key('h'), {f: 1, g: 2}), 2);
    assert.deepEqual({...await r.hGetAll(key('h'))}, {f: '1', g: '2'});
  },
});
