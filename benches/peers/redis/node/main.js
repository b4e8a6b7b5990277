// Measures rate-limiter-flexible on a Redis server, and an INCR of the same client beside it.
//
// Each row is one line of three fields with tabs between: library, operation, nanoseconds a request, as 64 tasks make them. The
// argument is the server's address.

import { readFileSync } from 'node:fs';
import Redis from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';

const TASKS = 64;
const ROUNDS = 3; // each row is the least of so many
const ROUND = 500; // milliseconds

const { version } = JSON.parse(
  readFileSync('node_modules/rate-limiter-flexible/package.json', 'utf8'),
);
const client = new Redis(process.argv[2]);

/** `request` is told its task's number. */
async function measure(operation, request) {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    const work = async (task) => {
      let count = 0;
      while (performance.now() - begin < ROUND) {
        await request(task);
        count++;
        // What is answered without the server must let the others run.
        if (count % 256 === 0) await new Promise(setImmediate);
      }
      return count;
    };
    const counts = await Promise.all(Array.from({ length: TASKS }, (_, task) => work(task)));
    const total = counts.reduce((sum, count) => sum + count, 0);
    least = Math.min(least, ((performance.now() - begin) * 1e6) / total);
  }
  process.stdout.write(`rate-limiter-flexible ${version}\t${operation}\t${least.toFixed(2)}\n`);
}

const many = new RateLimiterRedis({
  storeClient: client,
  keyPrefix: 'node many',
  points: 1e9,
  duration: 3600,
});
const one = new RateLimiterRedis({
  storeClient: client,
  keyPrefix: 'node one',
  points: 1,
  duration: 3600,
  inMemoryBlockOnConsumed: 1,
});
await measure('INCR', (task) => client.incr(`node ${task % 16}`));
await measure('fixed window, a key for each task', (task) => many.consume(String(task)));
await measure('fixed window, one hot key', () => many.consume('hot'));
await one.consume('hot');
await measure('one hot key, denied', () => one.consume('hot').catch(() => false));
client.disconnect();
