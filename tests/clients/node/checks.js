// Runs the checks of a client and prints a line for each, as run reads them.
'use strict';

const env = process.env;
const allBytes = Buffer.concat([Buffer.from(Array.from({length: 256}, (_, i) => i)),
                                Buffer.from('\r\n$-1\r\n')]);

function within(promise, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error.message;
  }
  return 'no error';
}

async function runAll(checks) {
  // Of a command that the check no longer awaits, since another failed.
  process.on('unhandledRejection', () => {});
  for (const [name, check] of Object.entries(checks)) {
    try {
      await within(check(), 15000);
      console.log(`ok ${name}`);
    } catch (error) {
      const where = (error.stack || '').split('\n').find((line) => line.includes(__dirname)) || '';
      const text = `${error.message}`.replace(/\s+/g, ' ').slice(0, 300);
      console.log(`not ok ${name}: ${text} (${where.replace(/.*\//, '').replace(/\)$/, '')})`);
    }
  }
  process.exit(0);
}

module.exports = {
  allBytes, errorOf, runAll, within,
  key: (name) => `${env.CLIENT_PREFIX}:${name}`,
  transport: env.CLIENT_TRANSPORT,
  port: Number(env.CLIENT_PORT),
  socket: env.CLIENT_SOCKET,
  ca: () => require('fs').readFileSync(env.CLIENT_CA),
  user: env.CLIENT_USER ? {username: env.CLIENT_USER, password: env.CLIENT_PASSWORD} : {},
  protocol: env.CLIENT_PROTOCOL ? Number(env.CLIENT_PROTOCOL) : undefined,
};
