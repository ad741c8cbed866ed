# ruby-redis against the proxy.
require 'redis'

ALL_BYTES = ((0..255).map(&:chr).map(&:b).join + "\r\n$-1\r\n".b).freeze
USER = ENV.fetch('CLIENT_USER')
CHECKS = {}

def key(name)
  "#{ENV.fetch('CLIENT_PREFIX')}:#{name}"
end

def connect(**options)
  unless USER.empty?
    options.update(username: USER, password: ENV.fetch('CLIENT_PASSWORD'))
  end
  case ENV.fetch('CLIENT_TRANSPORT')
  when 'unix' then options[:path] = ENV.fetch('CLIENT_SOCKET')
  when 'tls'
    options.update(host: '127.0.0.1', port: ENV.fetch('CLIENT_PORT').to_i, ssl: true,
                   ssl_params: { ca_file: ENV.fetch('CLIENT_CA') })
  else options.update(host: '127.0.0.1', port: ENV.fetch('CLIENT_PORT').to_i)
  end
  Redis.new(timeout: 20, reconnect_attempts: 0, **options)
end

def check(name, &block)
  CHECKS[name] = block
end

def same(expected, found)
  return if expected == found

  raise "expected #{expected.inspect[0, 150]}, got #{found.inspect[0, 150]}"
end

def error_of
  yield
  'no error'
rescue Redis::CommandError => e
  e.message
end

def begins(expected, found)
  same(expected, found[0, expected.size])
end

check 'connect' do |r|
  same 'PONG', r.ping
  same 'hello', connect.echo('hello')
  begins '7.', r.info('server')['redis_version']
end

check 'set_get' do |r|
  same 'OK', r.set(key('text'), 'value')
  same 'value', r.get(key('text'))
  same nil, r.get(key('absent'))
  same false, r.set(key('text'), 'other', nx: true)
  same 'OK', r.set(key('timed'), 'v', ex: 100)
  same true, (1..100).cover?(r.ttl(key('timed')))
  same 42, r.incrby(key('count'), 42)
  same 'OK', r.mset(key('m1'), '1', key('m2'), '2')
  same ['1', nil, '2'], r.mget(key('m1'), key('absent'), key('m2'))
  same 2, r.del(key('m1'), key('m2'), key('absent'))
end

check 'binary' do |r|
  name = key('binary:').b + ALL_BYTES
  same 'OK', r.set(name, ALL_BYTES)
  same ALL_BYTES, r.get(name).b
  same 1, r.hset(name + 'h'.b, ALL_BYTES, ALL_BYTES)
  same [[ALL_BYTES, ALL_BYTES]], r.hgetall(name + 'h'.b).map { |pair| pair.map(&:b) }
  same 'OK', r.set(key('empty'), '')
  same '', r.get(key('empty'))
end

check 'big_value' do |r|
  big = ALL_BYTES * 50_000
  same 'OK', r.set(key('big'), big)
  same true, big == r.get(key('big')).b
  same big.bytesize, r.strlen(key('big'))
end

check 'pipeline' do |r|
  replies = r.pipelined do |pipe|
    2000.times { |i| pipe.set(key("p#{i % 50}"), i) && pipe.get(key("p#{i % 50}")) }
  end
  same (0...2000).flat_map { |i| ['OK', i.to_s] }, replies
end

check 'transaction' do |r|
  good = r.multi do |m|
    m.set(key('t'), 1)
    m.incrby(key('t'), 4)
    m.rpush(key('tl'), %w[a b])
    m.lrange(key('tl'), 0, -1)
  end
  same ['OK', 5, 2, %w[a b]], good
  begins 'WRONGTYPE', (error_of { r.multi { |m| m.set(key('t'), 'x') && m.lpush(key('t'), 'y') } })
  same 'x', r.get(key('t'))
end

check 'watch' do |r|
  own = connect
  own.set(key('w'), 1)
  same(['OK'], own.watch(key('w')) { own.multi { |m| m.set(key('w'), 2) } })
  same(nil, own.watch(key('w')) do
    r.set(key('w'), 3)
    own.multi { |m| m.set(key('w'), 4) }
  end)
  same '3', r.get(key('w'))
end

check 'pubsub' do |r|
  got = nil
  connect.subscribe_with_timeout(10, key('news')) do |on|
    on.subscribe { |_, _| Thread.new { r.publish(key('news'), ALL_BYTES) } }
    on.message do |channel, message|
      got = [channel, message.b]
      raise StopIteration
    end
  end
rescue StopIteration
  same [key('news'), ALL_BYTES], got
end

check 'blocking' do |r|
  waiter = Thread.new { connect.blpop(key('q1'), key('q2'), timeout: 10) }
  r.rpush(key('q2'), 'job')
  same [key('q2'), 'job'], waiter.value
  same nil, r.blpop(key('q1'), timeout: 0.05)
  r.zadd(key('z'), 1.5, 'a')
  same [key('z'), 'a', 1.5], r.bzpopmin(key('z'), timeout: 1)
end

check 'scripts' do |r|
  same [key('s'), 'x', 7], r.eval('return {KEYS[1], ARGV[1], 7}', [key('s')], ['x'])
  sha = r.script(:load, "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
  same 'first', r.evalsha(sha, [key('s')], ['first'])
  same true, r.script(:exists, sha)
  begins 'NOSCRIPT', (error_of { r.evalsha('0' * 40, [], []) })
end

check 'streams' do |r|
  name = key('stream')
  first = r.xadd(name, { 'f' => '1' })
  second = r.xadd(name, { 'f' => '2' })
  same [[first, { 'f' => '1' }], [second, { 'f' => '2' }]], r.xrange(name)
  same 'OK', r.xgroup(:create, name, 'g', '0')
  same({ name => [[first, { 'f' => '1' }], [second, { 'f' => '2' }]] },
       r.xreadgroup('g', 'c', name, '>', count: 10))
  same 1, r.xack(name, 'g', first)
  same 1, r.xpending(name, 'g')['size']
  same({}, r.xread(name, second, block: 20))
end

check 'client_name' do |r|
  same 'OK', r.client(:setname, 'ruby-client')
  same 'ruby-client', r.client(:getname)
  same 'OK', r.call('CLIENT', 'SETINFO', 'LIB-NAME', 'ruby-redis')
  same true, r.call('CLIENT', 'ID').positive?
  same true, connect.client(:list).any? { |client| client['name'] == 'ruby-client' }
end

check 'select' do |r|
  other = connect(db: 3)
  other.set(key('db'), 'three')
  r.set(key('db'), 'zero')
  same %w[three zero], [other.get(key('db')), r.get(key('db'))]
end

check 'users' do |r|
  same USER.empty? ? 'default' : USER, r.call('ACL', 'WHOAMI')
  begins USER.empty? ? 'no error' : 'NOPERM', (error_of { r.set("another's:key", 'v') })
end

check 'errors' do |r|
  r.rpush(key('list'), 'a')
  begins 'WRONGTYPE Operation against a key', (error_of { r.get(key('list')) })
  begins "ERR unknown command 'NOSUCHCOMMAND'", (error_of { r.call('NOSUCHCOMMAND', 'a') })
  same "ERR wrong number of arguments for 'get' command", (error_of { r.call('GET') })
  begins 'NOPROTO', (error_of { r.call('HELLO', '9') })
  same 'PONG', r.ping
end

check 'types' do |r|
  same 2, r.zadd(key('zs'), [[1.25, 'a'], [Float::INFINITY, 'b']])
  same [['a', 1.25], ['b', Float::INFINITY]], r.zrange(key('zs'), 0, -1, with_scores: true)
  same 1.25, r.zscore(key('zs'), 'a')
  same true, r.sadd?(key('st'), %w[x y])
  same %w[x y], r.smembers(key('st')).sort
  same 2, r.hset(key('h'), { 'f' => 1, 'g' => 2 })
  same({ 'f' => '1', 'g' => '2' }, r.hgetall(key('h')))
  same 1.5, r.incrbyfloat(key('fl'), 1.5)
end

CHECKS.each do |name, block|
  block.call(connect)
  puts "ok #{name}"
rescue StandardError => e
  where = e.backtrace.grep(/#{File.basename(__FILE__)}/).find { |line| line !~ /in `(same|begins)'/ }
  puts "not ok #{name}: #{e.class}: #{e.message.gsub(/\s+/, ' ')} (#{where.to_s[/rb:\d+/]})"
ensure
  $stdout.flush
end
