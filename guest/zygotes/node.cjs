/**
 * The zygote of Node: an interpreter that has started and waits for the one command it will take.
 *
 * It runs as `node -r THIS zygote`. At the end of its start Node asks for `Module.runMain`; here that is a getter. It
 * first waits for the command, makes everything as if Node had been started for it, and then gives a bound function: no
 * frame of this file is on the stack of the command. guest/zygote.h tells the rest. Threads of the command load this
 * file, too, and get nothing of it.
 */
'use strict';

const { isUtf8 } = require('node:buffer');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const Module = require('node:module');
const control = 3;
/** The kernel's randomness, opened ahead; closed before the command. */
let random;
/** What they say was looked at when Node started. */
const startupName =
  /^(NODE_(?!ENV$).*|LANG|LANGUAGE|LC_.*|TZ|LD_.*|MALLOC_.*|GLIBC_TUNABLES|UV_.*|OPENSSL_.*|SSL_.*|ICU_.*)$/;

function readExactly(from, length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const got = fs.readSync(from, bytes, at, length - at, null);
    if (got === 0) process.reallyExit(0);
    at += got;
  }
  return bytes;
}

/** Working directory, arguments and environment, as the agent's exec spec has them. */
function parseCommand(spec) {
  if (!isUtf8(spec.subarray(12))) throw new TypeError('it is no UTF-8');
  const [cwd, ...strings] = spec.toString('utf8', 12, spec.length - 1).split('\0');
  const count = spec.readUInt32LE(4);
  return { cwd, argv: strings.slice(0, count), env: strings.slice(count) };
}

/** False: some of it was looked at when Node started. */
function takeEnvironment(entries) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const entry of entries) {
    const at = entry.indexOf('=');
    const name = entry.slice(0, at);
    if (startupName.test(name)) return false;
    process.env[name] = entry.slice(at + 1);
  }
  Module._initPaths();
  return true;
}

/** Modules of Node that are global names in `node -e`. */
const builtinNames = Module.builtinModules.filter(
  (name) => !(name.startsWith('_') || name.includes('/') || Object.hasOwn(globalThis, name)),
);

/** As `node -e` has them: loaded when first used. */
function addBuiltinNames() {
  const loader = new Module('<eval>');
  for (const name of builtinNames) {
    const set = (value) => {
      delete globalThis[name];
      globalThis[name] = value;
    };
    const rest = { set, configurable: true, enumerable: false };
    const get = () => {
      const lib = loader.require(name);
      Object.defineProperty(globalThis, name, { get: () => lib, ...rest });
      return lib;
    };
    Object.defineProperty(globalThis, name, { get, ...rest });
  }
}

/** What the wrapper of an evaluation adds to them. */
const evaluationNames = ['module', 'exports', '__dirname', 'require'];

/** The wrapper that Node has around an evaluation, compiled and called ahead: its function, and the names it adds. */
function wrapEvaluation() {
  const module = new Module('[eval]');
  const begin = module._compile(
    `
    globalThis.module = module;
    globalThis.exports = exports;
    globalThis.__dirname = __dirname;
    globalThis.require = require;
    return (main) => main();
  `,
    '[eval]-wrapper',
  );
  const names = evaluationNames.map((name) => [name, globalThis[name]]);
  for (const name of evaluationNames) delete globalThis[name];
  return { module, begin, names };
}

/** As `wrapEvaluation` gives it. */
let wrapper;

/** `node -e CODE`: what is called in its place. Throws where it is no script: a start of its own knows what to do. */
function evaluation(code) {
  // There, `crypto` is another one, and `import()` has another way.
  if (/\b(crypto|import)\b/.test(code)) return undefined;
  const script = new vm.Script(code, { filename: '[eval]' });
  const { module, begin, names } = wrapper;
  addBuiltinNames();
  module.filename = path.join(process.cwd(), '[eval]');
  module.paths = Module._nodeModulePaths(process.cwd());
  globalThis.__filename = '[eval]';
  for (const [name, value] of names) globalThis[name] = value;
  Object.defineProperty(process, '_eval', {
    value: code,
    enumerable: true,
    configurable: true,
    writable: false,
  });
  return begin.bind(undefined, script.runInThisContext.bind(script, { displayErrors: true }));
}

/** What is called in place of the command; undefined: it is not for a zygote. */
function plan(argv, runMain) {
  const [name, first, ...rest] = argv;
  if (name !== process.argv0 || first === undefined) return undefined;
  if (first === '-e' || first === '--eval') {
    const [code, ...more] = rest;
    if (code === undefined || more[0]?.startsWith('-')) return undefined;
    setArguments([first, code], more);
    return evaluation(code);
  }
  if (first === '' || first.startsWith('-') || first === 'inspect' || first === 'debug') return undefined;
  const script = path.resolve(first);
  setArguments([], [script, ...rest]);
  return runMain.bind(Module, script);
}

function setArguments(execArgv, argv) {
  process.execArgv.splice(0, Infinity, ...execArgv);
  process.argv.splice(1, Infinity, ...argv);
}

/** A seed from the kernel's randomness, which is this clone's own. */
function seed() {
  return readExactly(random, 4).readUInt32LE() >>> 1 || 1;
}

/** Since the start of Node the clock of the guest was set; origin and `now` shall go together. */
let timeOrigin;

function replaceTimeOrigin() {
  const prototype = Object.getPrototypeOf(performance);
  const known = Object.getOwnPropertyDescriptor(prototype, 'timeOrigin');
  const { get } = Object.getOwnPropertyDescriptor(
    {
      get timeOrigin() {
        return known.get.call(this) && timeOrigin;
      },
    },
    'timeOrigin',
  );
  Object.defineProperty(prototype, 'timeOrigin', { ...known, get });
}

/** What is called in place of the command; undefined: it is not for a zygote. */
function take(spec, runMain, answerTo) {
  const { cwd, argv, env } = parseCommand(spec);
  process.chdir(cwd);
  const main = takeEnvironment(env) ? plan(argv, runMain) : undefined;
  if (main === undefined) return undefined;
  v8.setFlagsFromString(`--random-seed=${seed()}`);
  timeOrigin = Date.now() - performance.now();
  fs.writeSync(answerTo, 'Y');
  fs.closeSync(answerTo);
  return main;
}

/** Scripts can see the last one. */
function forgetMatch() {
  /^/.exec('');
}

function become(runMain) {
  rehearseTaking(runMain);
  collectGarbage();
  rehearsePrinting();
  try {
    const main = take(readExactly(control, readExactly(control, 4).readUInt32LE()), runMain, control);
    if (main === undefined) process.reallyExit(0);
    fs.closeSync(random);
    // The seed is taken when the first number is asked for; the flag is not for what the command makes itself.
    Math.random();
    v8.setFlagsFromString('--random-seed=0');
    delete require.cache[__filename];
    Object.defineProperty(process, '_preload_modules', { value: [], enumerable: true, configurable: true });
    forgetMatch();
    return main;
  } catch {
    process.reallyExit(0);
  }
}

/**
 * Takes a command of no consequence, a few times, and forgets it: functions are compiled when they are first called,
 * regular expressions when they are called again, and what is compiled here is there for the command.
 */
function rehearseTaking(runMain) {
  const env = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  const argv = [process.argv0, '-e', '0', 'rehearsal'];
  const head = Buffer.alloc(12);
  head.writeUInt32LE(argv.length, 4);
  const spec = Buffer.concat([head, Buffer.from([process.cwd(), ...argv, ...env, ''].join('\0'))]);
  for (let count = 0; count < 3; count++) {
    take(spec, runMain, fs.openSync('/dev/null', 'w'))?.();
    forgetMatch();
    for (const name of [...builtinNames, ...evaluationNames, '__filename']) delete globalThis[name];
    delete process._eval;
  }
  v8.setFlagsFromString('--random-seed=0');
}

/**
 * Says that it is ready, in the way in which nearly every script prints. By a descriptor of its own for the same pipe,
 * so that nothing is left of it.
 */
function rehearsePrinting() {
  const fd = fs.openSync('/proc/self/fd/1', 'w');
  const output = new net.Socket({ fd, readable: false, writable: true });
  const { log } = new console.Console(output);
  new vm.Script('(log) => log("R", { a: [1, 2.5, "b"] }, String(process.argv.length))').runInThisContext()(
    log,
  );
  // Not `destroy`, of which most would be done when the command runs; as would be what else waits for its turn.
  output._handle.close();
  process._tickCallback();
}

/**
 * When nothing is left to do Node takes itself apart, piece by piece, which it does not on `process.exit()`. A command
 * that ended well, and has nobody who listens for its end, ends as by that: when Node asks for `emit`, to tell of the
 * end, it gets a listener. Where native code was loaded, which may have something left to do, or where somebody has a
 * word in the end, Node goes on as ever.
 */
function endQuickly() {
  const { reallyExit } = process;
  const own = Object.getPrototypeOf(process);
  const mayEnd = () =>
    !process.exitCode &&
    process._events.exit === undefined &&
    process.reallyExit === reallyExit &&
    !Object.keys(Module._cache).some((name) => name.endsWith('.node'));
  const shape = { configurable: true, enumerable: true };
  Object.defineProperty(own, 'emit', {
    configurable: true,
    get() {
      // By hand: those who listen for listeners would be told by `on`.
      if (process._exiting && mayEnd()) process._events.exit = () => reallyExit(0);
      return Object.getPrototypeOf(own).emit;
    },
    set(value) {
      Object.defineProperty(this, 'emit', { ...shape, writable: true, value });
    },
  });
}

/** What rehearsals leave, and a start, would else be collected when the command runs. */
function collectGarbage() {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  v8.setFlagsFromString('--no-expose-gc');
  gc({ type: 'minor' });
  gc({ type: 'minor' });
}

function prepare() {
  const { runMain } = Module;
  random = fs.openSync('/dev/urandom', 'r');
  wrapper = wrapEvaluation();
  replaceTimeOrigin();
  endQuickly();
  const shape = { configurable: true, enumerable: true };
  Object.defineProperty(Module, 'runMain', {
    ...shape,
    get() {
      Object.defineProperty(Module, 'runMain', { ...shape, writable: true, value: runMain });
      return become(runMain);
    },
  });
}

if (require('node:worker_threads').isMainThread) prepare();
