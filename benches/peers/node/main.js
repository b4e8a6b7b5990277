// Measures circuit breakers and limiters of Node, and an atomic addition beside them.
//
// Each row is one line of three fields with tabs between: library, operation, nanoseconds a call (or bytes, where the
// operation says so). `cargo xtask peers node` makes a table of them. Every breaker guards an async function, as they all
// do, so a call is an await; the row `await` is the least that it can cost.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ConsecutiveBreaker, SamplingBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { RateLimiter } from 'limiter';
import CircuitBreaker from 'opossum';
import { RateLimiterMemory } from 'rate-limiter-flexible';

const NEVER = 2 ** 31 - 1; // milliseconds: the longest timer
const ROUNDS = 5; // each row is the least of so many: what disturbs one makes it longer
const ROUND = 100; // milliseconds
const MANY = 1000; // breakers of which one's bytes are told

const succeed = async () => true;
const fail = async () => {
  throw new Error('down');
};

function emit(library, operation, value) {
  process.stdout.write(`${library}\t${operation}\t${value.toFixed(2)}\n`);
}

/** Runs `batch` of so many calls until a round is over; the least time of a call, in nanoseconds. */
async function measure(library, operation, batch) {
  const times = 1000;
  await batch(times);
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = process.hrtime.bigint();
    let calls = 0;
    let took = 0;
    while (took < ROUND * 1e6) {
      await batch(times);
      calls += times;
      took = Number(process.hrtime.bigint() - begin);
    }
    least = Math.min(least, took / calls);
  }
  emit(library, operation, least);
}

const sync = (library, operation, call) =>
  measure(library, operation, (times) => {
    for (let n = 0; n < times; n++) call();
  });

const awaited = (library, operation, call) =>
  measure(library, operation, async (times) => {
    for (let n = 0; n < times; n++) await call();
  });

const rejected = (library, call) =>
  awaited(library, 'rejection', () => call().catch(() => false));

function bytes(library, build) {
  const kept = new Array(MANY);
  const before = heap();
  for (let n = 0; n < MANY; n++) kept[n] = build();
  emit(library, 'bytes of a breaker', (heap() - before) / kept.length);
}

function heap() {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  for (let round = 0; round < 3; round++) collect();
  return process.memoryUsage().heapUsed;
}

function must(holds) {
  if (!holds) throw new Error('a peer is not in the state that its row is about');
}

const word = new Int32Array(new SharedArrayBuffer(64));
await sync('machine', 'atomic add', () => Atomics.add(word, 0, 1));
await awaited('machine', 'await of an async function', succeed);

{
  const library = 'opossum 9.0';
  const options = { timeout: false, errorThresholdPercentage: 50, volumeThreshold: 20, resetTimeout: NEVER };
  const breaker = new CircuitBreaker(succeed, options);
  await awaited(library, 'closed call', () => breaker.fire());
  await sync(library, 'state read', () => breaker.opened);
  const open = new CircuitBreaker(succeed, options);
  open.open();
  must(open.opened);
  await rejected(library, () => open.fire());
  const built = [];
  bytes(library, () => (built[built.length] = new CircuitBreaker(succeed, options)));
  // Each has timers of its own.
  for (const one of [breaker, open, ...built]) one.shutdown();
}

{
  const library = 'cockatiel 3.2';
  const build = () =>
    circuitBreaker(handleAll, {
      halfOpenAfter: NEVER,
      breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 2 }),
    });
  const breaker = build();
  await awaited(library, 'closed call', () => breaker.execute(succeed));
  await sync(library, 'state read', () => breaker.state);
  const open = circuitBreaker(handleAll, { halfOpenAfter: NEVER, breaker: new ConsecutiveBreaker(1) });
  await open.execute(fail).catch(() => false);
  must(await open.execute(succeed).then(() => false, () => true));
  await rejected(library, () => open.execute(succeed));
  bytes(library, build);
}

{
  const library = 'limiter 4.1';
  const roomy = new RateLimiter({ tokensPerInterval: 1e9, interval: 'second' });
  await sync(library, 'limiter, allow', () => roomy.tryRemoveTokens(1));
  const empty = new RateLimiter({ tokensPerInterval: 1, interval: NEVER });
  must(empty.tryRemoveTokens(1) && !empty.tryRemoveTokens(1));
  await sync(library, 'limiter, deny', () => empty.tryRemoveTokens(1));
}

{
  const library = 'rate-limiter-flexible 11.4';
  const roomy = new RateLimiterMemory({ points: 1e12, duration: 1 });
  await awaited(library, 'limiter, allow', () => roomy.consume('key'));
  const empty = new RateLimiterMemory({ points: 1, duration: NEVER / 1000 });
  await empty.consume('key');
  must(await empty.consume('key').then(() => false, () => true));
  await awaited(library, 'limiter, deny', () => empty.consume('key').catch(() => false));
}

// Timers of the peers would keep the program alive.
process.exit(0);
