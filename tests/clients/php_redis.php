<?php
// php-redis against the proxy.

function key_of(string $name): string { return getenv('CLIENT_PREFIX') . ':' . $name; }

function all_bytes(): string { return implode('', array_map('chr', range(0, 255))) . "\r\n$-1\r\n"; }

function connect(): Redis {
  $r = new Redis();
  switch (getenv('CLIENT_TRANSPORT')) {
    case 'unix': $r->connect(getenv('CLIENT_SOCKET')); break;
    case 'tls':
      $r->connect('tls://127.0.0.1', (int)getenv('CLIENT_PORT'), 5, null, 0, 20,
                  ['stream' => ['cafile' => getenv('CLIENT_CA')]]);
      break;
    default: $r->connect('127.0.0.1', (int)getenv('CLIENT_PORT'), 5, null, 0, 20);
  }
  if (getenv('CLIENT_USER')) same(true, $r->auth([getenv('CLIENT_USER'), getenv('CLIENT_PASSWORD')]));
  return $r;
}

function same($expected, $found): void {
  if ($expected !== $found) {
    throw new Exception('expected ' . substr(var_export($expected, true), 0, 150) . ', got ' .
                        substr(var_export($found, true), 0, 150));
  }
}

function begins(string $expected, ?string $found): void {
  same($expected, substr((string)$found, 0, strlen($expected)));
}

$checks = [];
$checks['connect'] = function (Redis $r) {
  same(true, $r->ping());
  same('hello', connect()->echo('hello'));
  begins('7.', $r->info('server')['redis_version']);
};
$checks['set_get'] = function (Redis $r) {
  same(true, $r->set(key_of('text'), 'value'));
  same('value', $r->get(key_of('text')));
  same(false, $r->get(key_of('absent')));
  same(false, $r->set(key_of('text'), 'other', ['nx']));
  same(true, $r->set(key_of('timed'), 'v', ['ex' => 100]));
  same(true, $r->ttl(key_of('timed')) > 0 && $r->ttl(key_of('timed')) <= 100);
  same(42, $r->incrBy(key_of('count'), 42));
  same(true, $r->mSet([key_of('m1') => '1', key_of('m2') => '2']));
  same(['1', false, '2'], $r->mGet([key_of('m1'), key_of('absent'), key_of('m2')]));
  same(2, $r->del(key_of('m1'), key_of('m2'), key_of('absent')));
};
$checks['binary'] = function (Redis $r) {
  $name = key_of('binary:') . all_bytes();
  same(true, $r->set($name, all_bytes()));
  same(all_bytes(), $r->get($name));
  same(1, $r->hSet($name . 'h', all_bytes(), all_bytes()));
  same([all_bytes() => all_bytes()], $r->hGetAll($name . 'h'));
  same(true, $r->set(key_of('empty'), ''));
  same('', $r->get(key_of('empty')));
};
$checks['big_value'] = function (Redis $r) {
  $big = str_repeat(all_bytes(), 50000);
  same(true, $r->set(key_of('big'), $big));
  same(true, $big === $r->get(key_of('big')));
  same(strlen($big), $r->strLen(key_of('big')));
};
$checks['pipeline'] = function (Redis $r) {
  $pipe = $r->pipeline();
  for ($i = 0; $i < 2000; ++$i) $pipe->set(key_of('p' . $i % 50), $i)->get(key_of('p' . $i % 50));
  $replies = $pipe->exec();
  same(4000, count($replies));
  foreach ($replies as $i => $reply) same($i % 2 ? (string)(($i - 1) / 2) : true, $reply);
};
$checks['transaction'] = function (Redis $r) {
  $good = $r->multi()->set(key_of('t'), 1)->incrBy(key_of('t'), 4)->rPush(key_of('tl'), 'a', 'b')
      ->lRange(key_of('tl'), 0, -1)->exec();
  same([true, 5, 2, ['a', 'b']], $good);
  $bad = $r->multi()->set(key_of('t'), 'x')->lPush(key_of('t'), 'y')->get(key_of('t'))->exec();
  same([true, false, 'x'], $bad);
};
$checks['watch'] = function (Redis $r) {
  $own = connect();
  $own->set(key_of('w'), 1);
  $own->watch(key_of('w'));
  same('1', $own->get(key_of('w')));
  same([true], $own->multi()->set(key_of('w'), 2)->exec());
  $own->watch(key_of('w'));
  $r->set(key_of('w'), 3);
  same(false, $own->multi()->set(key_of('w'), 4)->exec());
  same('3', $r->get(key_of('w')));
};
$checks['pubsub'] = function (Redis $r) {
  // Its subscribe() does not return, so the publisher is a process of its own.
  $code = 'for ($i = 0; $i < 500 && $r->publish(getenv("CLIENT_CHANNEL"), "hello") < 1; ++$i) usleep(10000);';
  putenv('CLIENT_CHANNEL=' . key_of('news'));
  putenv('CLIENT_CODE=' . $code);
  $publisher = proc_open([PHP_BINARY, __FILE__], [], $pipes);
  $subscriber = connect();
  $got = [];
  try {
    $subscriber->subscribe([key_of('news')], function ($redis, $channel, $message) use (&$got) {
      $got = [$channel, $message];
      $redis->close();
    });
  } catch (RedisException $closed) {
    // It goes on reading what the callback has closed.
  }
  proc_close($publisher);
  same([key_of('news'), 'hello'], $got);
};
$checks['blocking'] = function (Redis $r) {
  putenv('CLIENT_CODE=usleep(100000); $r->rPush(getenv("CLIENT_LIST"), "job");');
  putenv('CLIENT_LIST=' . key_of('q2'));
  $pusher = proc_open([PHP_BINARY, __FILE__], [], $pipes);
  same([key_of('q2'), 'job'], $r->blPop([key_of('q1'), key_of('q2')], 10));
  proc_close($pusher);
  same([], $r->blPop([key_of('q1')], 1));
  $r->zAdd(key_of('z'), 1.5, 'a');
  same([key_of('z'), 'a', '1.5'], $r->bzPopMin([key_of('z')], 1));
};
$checks['scripts'] = function (Redis $r) {
  same([key_of('s'), 'x', 7], $r->eval('return {KEYS[1], ARGV[1], 7}', [key_of('s'), 'x'], 1));
  $sha = $r->script('load', "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])");
  same('first', $r->evalSha($sha, [key_of('s'), 'first'], 1));
  same([1], array_map('intval', $r->script('exists', $sha)));
  same(false, $r->evalSha(str_repeat('0', 40), [], 0));
  begins('NOSCRIPT', $r->getLastError());
};
$checks['streams'] = function (Redis $r) {
  $name = key_of('stream');
  $first = $r->xAdd($name, '*', ['f' => '1']);
  $second = $r->xAdd($name, '*', ['f' => '2']);
  same([$first => ['f' => '1'], $second => ['f' => '2']], $r->xRange($name, '-', '+'));
  same(true, $r->xGroup('CREATE', $name, 'g', '0'));
  same([$name => [$first => ['f' => '1'], $second => ['f' => '2']]],
       $r->xReadGroup('g', 'c', [$name => '>'], 10));
  same(1, $r->xAck($name, 'g', [$first]));
  same(1, $r->xPending($name, 'g')[0]);
  same([], $r->rawCommand('XREAD', 'BLOCK', '20', 'STREAMS', $name, $second));
};
$checks['client_name'] = function (Redis $r) {
  same(true, $r->client('setname', 'php-client'));
  same('php-client', $r->client('getname'));
  same(true, $r->rawCommand('CLIENT', 'SETINFO', 'LIB-NAME', 'php-redis'));
  same(true, $r->rawCommand('CLIENT', 'ID') > 0);
  same(true, in_array('php-client', array_column(connect()->client('list'), 'name')));
};
$checks['select'] = function (Redis $r) {
  $other = connect();
  same(true, $other->select(3));
  $other->set(key_of('db'), 'three');
  $r->set(key_of('db'), 'zero');
  same(['three', 'zero'], [$other->get(key_of('db')), $r->get(key_of('db'))]);
};
$checks['users'] = function (Redis $r) {
  $user = getenv('CLIENT_USER');
  same($user ?: 'default', $r->acl('WHOAMI'));
  $refused = 'no error';
  try {
    same(true, $r->set("another's:key", 'v'));
  } catch (RedisException $error) {
    $refused = $error->getMessage();
  }
  begins($user ? 'NOPERM' : 'no error', $refused);
};
$checks['errors'] = function (Redis $r) {
  $error_of = function (...$command) use ($r) {
    $r->clearLastError();
    try {
      $r->rawCommand(...$command);
      return $r->getLastError();
    } catch (RedisException $error) {  // of errors with a code that it does not know
      return $error->getMessage();
    }
  };
  $r->rPush(key_of('list'), 'a');
  begins('WRONGTYPE Operation against a key', $error_of('GET', key_of('list')));
  begins("ERR unknown command 'NOSUCHCOMMAND'", $error_of('NOSUCHCOMMAND', 'a'));
  same("ERR wrong number of arguments for 'get' command", $error_of('GET'));
  begins('NOPROTO', $error_of('HELLO', '9'));
  same(true, $r->ping());
};
$checks['types'] = function (Redis $r) {
  same(2, $r->zAdd(key_of('zs'), 1.25, 'a', INF, 'b'));
  same(['a' => 1.25, 'b' => INF], $r->zRange(key_of('zs'), 0, -1, true));
  same(1.25, $r->zScore(key_of('zs'), 'a'));
  same(2, $r->sAdd(key_of('st'), 'x', 'y'));
  $members = $r->sMembers(key_of('st'));
  sort($members);
  same(['x', 'y'], $members);
  same(true, $r->hMSet(key_of('h'), ['f' => 1, 'g' => 2]));
  same(['f' => '1', 'g' => '2'], $r->hGetAll(key_of('h')));
  same(1.5, $r->incrByFloat(key_of('fl'), 1.5));
};

if (getenv('CLIENT_CODE')) {
  $r = connect();
  eval(getenv('CLIENT_CODE'));
  exit(0);
}
foreach ($checks as $name => $check) {
  try {
    $check(connect());
    echo "ok $name\n";
  } catch (Throwable $error) {
    echo "not ok $name: " . preg_replace('/\s+/', ' ', $error->getMessage()) .
         ' (line ' . ($error->getTrace()[0]['line'] ?? $error->getLine()) . ")\n";
  }
}
