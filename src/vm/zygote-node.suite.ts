/** Commands of Node that a zygote and a start of its own must end alike. */
import { inline, type ZygoteCase } from './zygote.suite.ts';

type Rest = Partial<ZygoteCase> & { readonly args?: readonly string[] };

const code = (name: string, text: string, rest: Rest = {}) => {
  const { args = [], ...more } = rest;
  return inline(`-e: ${name}`, ['node', '-e', text, ...args], more);
};

const script = (name: string, text: string, rest: Rest = {}) => {
  const { args = [], files, ...more } = rest;
  return inline(`script: ${name}`, ['node', 'job.js', ...args], {
    files: { 'job.js': text, ...files },
    ...more,
  });
};

const both = (name: string, text: string, rest: Rest = {}) => [
  code(name, text, rest),
  script(name, text, rest),
];

const plain = { taken: false } as const;

export const nodeCases: readonly ZygoteCase[] = [
  ...both('arguments', 'console.log(process.argv, process.execArgv, process.argv0, process.execPath)', {
    args: ['a', '', '--flag', 'zwei wörter', '日本'],
  }),
  ...both(
    'environment',
    'console.log(process.env); require("child_process").execSync("env | sort", { stdio: "inherit" })',
    { env: ['A=1', 'NODE_ENV=production', 'B=with = and\nline'] },
  ),
  ...both('folder and mask', 'console.log(process.cwd(), process.umask(), require("os").homedir())', {
    env: ['HOME=/nowhere'],
  }),
  ...both(
    'names',
    'console.log(typeof require, module.id, module.filename, module.paths, __filename, __dirname);' +
      'console.log(require.main === module, this === module.exports, this === globalThis)',
  ),
  ...both('globals', 'console.log(Object.getOwnPropertyNames(globalThis).sort().join())'),
  ...both(
    'names of process',
    'console.log(Object.keys(process).sort().join(), process._eval, process._preload_modules, process.title)',
  ),
  ...both(
    'module cache',
    'console.log(Object.keys(require.cache), module.children, process.mainModule?.id, ' +
      'require("module").globalPaths)',
  ),
  ...both(
    'patched loader',
    'const m = require("module"); console.log(Object.getOwnPropertyDescriptor(m, "runMain").get, ' +
      'm.runMain.name)',
  ),
  ...both(
    'standard input',
    'process.stdin.on("data", (d) => console.log(String(d))).on("end", () => console.log("end"))',
    { stdin: 'eins\nzwei\n' },
  ),
  ...both('standard input at once', 'console.log(require("fs").readFileSync(0, "utf8"))', {
    stdin: 'eins\nzwei\n',
  }),
  ...both(
    'lines of standard input',
    'require("readline").createInterface({ input: process.stdin }).on("line", (l) => console.log([l]))',
    { stdin: 'eins\nzwei' },
  ),
  ...both(
    'terminal',
    'console.log(process.stdin.isTTY, process.stdout.isTTY, process.stdout.constructor.name, ' +
      'process.stdin.constructor.name, process.stdout._type)',
  ),
  ...both('exit', 'process.exit(7)'),
  ...both('exit code', 'process.exitCode = 9; setTimeout(() => console.log("late"), 10)'),
  ...both(
    'exit listeners',
    'process.on("beforeExit", (c) => console.log("before", c)); process.on("exit", (c) => ' +
      'console.log("exit", c))',
  ),
  ...both(
    'exit listeners that disagree',
    'process.on("exit", () => { process.exitCode = 6; }); process.on("exit", () => console.log("b", process.exitCode))',
  ),
  ...both(
    'error in an exit listener',
    'process.on("exit", () => console.log("a")); process.on("exit", () => { throw new Error("b") }); ' +
      'process.on("exit", () => console.log("c"))',
  ),
  ...both(
    'exit listener that forgives',
    'process.on("exit", () => { process.exitCode = 0; }); throw new Error("seen")',
  ),
  ...both(
    'exit listeners seen',
    'process.on("newListener", (n) => console.log(n)); console.log(process.listenerCount("exit"), process.emit === ' +
      'require("events").prototype.emit, Object.keys(process).includes("emit"))',
  ),
  ...both(
    'patched emit',
    'const { emit } = process; process.emit = function (...all) { console.log(all); return emit.apply(this, all); }; ' +
      'process.on("exit", () => console.log(new Error("x").stack))',
  ),
  ...both(
    'patched exit',
    'const { reallyExit } = process; process.reallyExit = (c) => { console.log("really", c); reallyExit(c); }; ' +
      'setTimeout(() => {}, 1)',
  ),
  ...both(
    'work left by an exit listener',
    'process.on("exit", () => { Promise.resolve().then(() => ' +
      'console.log("micro")); process.nextTick(() => console.log("tick")); setTimeout(() => console.log("late")) })',
  ),
  ...both('domain', 'require("domain").create().run(() => process.on("exit", () => console.log("end")))'),
  ...both(
    'output at the end',
    'process.on("exit", () => { process.stdout.write("x".repeat(30000)); process.stderr.write("y".repeat(9)); })',
  ),
  ...both(
    'worker left',
    'new (require("worker_threads").Worker)("setInterval(() => {}, 9)", { eval: true }).unref()',
  ),
  ...both('error', 'function f(x) { return x.y.z; }\nfunction g() { f({}); }\ng();'),
  ...both('error with a cause', 'throw new Error("a", { cause: new TypeError("b") });'),
  ...both('thrown text', 'throw "only text"'),
  ...both('thrown null', 'throw null'),
  ...both(
    'error later',
    'setTimeout(() => { throw new RangeError("later"); }, 5); process.on("exit", (c) => console.log(c))',
  ),
  ...both(
    'caught',
    'process.on("uncaughtException", (e, o) => console.log(e.message, o)); throw new Error("x")',
  ),
  ...both('rejection', 'Promise.reject(new Error("nobody"))'),
  ...both('rejection without error', 'Promise.reject(5)'),
  ...both(
    'rejection listener',
    'process.on("unhandledRejection", (e) => console.log("got", e)); Promise.reject(5)',
  ),
  ...both('assertion', 'require("assert").strictEqual(1, 2)'),
  ...both('termination', 'setInterval(() => {}, 1000); console.log("go")', { signal: 'SIGTERM' }),
  ...both('interrupt', 'setInterval(() => {}, 1000); console.log("go")', { signal: 'SIGINT' }),
  ...both(
    'own handler',
    'process.on("SIGTERM", (s, n) => { console.log(s, n); process.exit(5); }); setInterval(() => {}, ' +
      '1000); console.log("go")',
    { signal: 'SIGTERM' },
  ),
  ...both('kill', 'process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000)'),
  script('abort', 'process.abort()'),
  ...both(
    'much output',
    'for (let n = 0; n < 20000; n++) console.log(n, "x".repeat(50)); process.stderr.write("e".repeat(100000))',
  ),
  ...both('both streams', 'for (let n = 0; n < 5; n++) { console.log(n); console.error(-n); }'),
  ...both('bytes', 'process.stdout.write(Buffer.from(Array.from({ length: 256 }, (_, n) => n)))'),
  ...both('unicode', 'console.log("ä日本😀", process.env.GREETING, "\\u2028".length)'),
  ...both(
    'async',
    '(async () => { for (const n of [1, 2]) { await new Promise((r) => setTimeout(r, 5)); ' +
      'console.log(n); } })()',
  ),
  ...both(
    'order',
    'setTimeout(() => console.log("timeout"), 0); ' +
      'process.nextTick(() => console.log("tick")); queueMicrotask(() => console.log("micro")); ' +
      'console.log("now")',
  ),
  ...both(
    'child',
    'const r = require("child_process").spawnSync(process.execPath, ["-e", ' +
      '"console.error(process.argv, process.execArgv); process.exit(4)", "a"]); ' +
      'console.log(r.status, String(r.stderr))',
  ),
  ...both(
    'child with the same output',
    'require("child_process").spawnSync("sh", ["-c", "cat; echo out; echo err >&2"], { stdio: "inherit" })',
    { stdin: 'in\n' },
  ),
  ...both(
    'worker',
    'const { Worker } = require("worker_threads"); new ' +
      "Worker(\"require('worker_threads').parentPort.postMessage([process.argv, " +
      'require(\'worker_threads\').isMainThread])", { eval: true, argv: ["w"] }).on("message", (m) ' +
      '=> console.log(m)).on("exit", (c) => console.log(c))',
  ),
  script('dynamic import of a module', 'import("fs").then((m) => console.log(typeof m.readFileSync))'),
  script('import of a file', 'import("./other.mjs").then((m) => console.log(m.default))', {
    files: { 'other.mjs': 'export default 5' },
  }),
  script('import of nothing', 'import("./nothing.mjs").catch((e) => console.log(e.code))'),
  ...both('require of a file', 'console.log(require("./other.cjs"))', {
    files: { 'other.cjs': 'module.exports = [__filename, module.parent?.id, module.id]' },
  }),
  ...both('require of json', 'console.log(require("./data.json"))', { files: { 'data.json': '{"a":1}' } }),
  ...both(
    'require of nothing',
    'try { require("nothing-there") } catch (e) { console.log(e.code, e.requireStack) }',
  ),
  ...both('internal', 'try { require("internal/options") } catch (e) { console.log(e.code) }'),
  ...both(
    'random',
    'console.log(Math.random.name, Math.random.length, String(Math.random), Math.random() < 1, ' +
      'Object.getOwnPropertyDescriptor(Math, "random").enumerable)',
  ),
  ...both(
    'clocks',
    'console.log(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 50, ' +
      'Object.keys(performance.toJSON()))',
  ),
  ...both(
    'flags of the process',
    'console.log(process.exitCode, process.noDeprecation, process.connected, process.channel, ' +
      'process.debugPort, process.report.signal, Error.stackTraceLimit, RegExp.$1, RegExp.lastMatch)',
  ),
  ...both('warnings', 'process.emitWarning("old")'),
  ...both('timers keep it', 'setTimeout(() => console.log("a"), 20); setTimeout(() => {}, 60000).unref()'),
  ...both(
    'last statement',
    '({ a: 1 }); let x = 1; const y = 2; var z = 3; console.log(globalThis.x, globalThis.y)',
  ),
  ...both(
    'strict',
    '"use strict"; (function () { console.log(this) })(); try { nothing = 1 } catch (e) { ' +
      'console.log(e.name) }',
  ),
  ...both(
    'fetch is there',
    'console.log(typeof fetch, typeof structuredClone, typeof WebSocket, typeof navigator, typeof Blob)',
  ),
  ...both('zone by environment', 'console.log(new Date(0).toString())', { env: ['TZ=Asia/Tokyo'], ...plain }),
  ...both('options by environment', 'console.log(process.execArgv, v8 = 1)', {
    env: ['NODE_OPTIONS=--no-warnings'],
    ...plain,
  }),
  code(
    'built-in names',
    'console.log(fs === require("fs"), typeof os.cpus, path.join("a", "b")); fs = 5; console.log(fs, ' +
      'Object.keys(globalThis).includes("os"))',
  ),
  code('crypto', 'console.log(typeof crypto.createHash)', plain),
  code('import', 'import("fs").then((m) => console.log(typeof m.readFileSync))', plain),
  code('syntax error', 'let x = = 1', plain),
  code('module', 'import fs from "fs"; console.log(typeof fs.readFileSync)', plain),
  code('await at the top', 'await 1; console.log(2)', plain),
  code('return at the top', 'return 5', plain),
  code('further option', 'console.log(1)', { args: ['--no-warnings'], ...plain }),
  script('return at the top', 'console.log(1); return; console.log(2)'),
  script('syntax error', 'let x = = 1'),
  script('its error has the same stack', 'console.log(new Error("x").stack); throw new Error("y")'),
  script('import in a script', 'import fs from "fs"; console.log(typeof fs.readFileSync, import.meta.url)'),
  script('shebang', '#!/usr/bin/env node\nconsole.log("ran")'),
  inline('module', ['node', 'job.mjs', 'a'], {
    files: {
      'job.mjs':
        'import "./b.mjs"; console.log(process.argv, import.meta.url, import.meta.dirname, typeof ' +
        'require); await 1; throw new Error("x")',
      'b.mjs': 'console.log("b")',
    },
  }),
  inline('module that fails', ['node', 'job.mjs'], { files: { 'job.mjs': 'import "./nothing.mjs"' } }),
  inline('unsettled module', ['node', 'job.mjs'], { files: { 'job.mjs': 'await new Promise(() => {})' } }),
  inline('package of modules', ['node', 'job.js'], {
    files: {
      'job.js': 'export const x = 1; console.log(import.meta.url)',
      'package.json': '{"type":"module"}',
    },
  }),
  inline('without its ending', ['node', 'job'], {
    files: { 'job.js': 'console.log(__filename, process.argv)' },
  }),
  inline('folder', ['node', '.'], {
    files: { 'index.js': 'console.log(__filename, process.argv, require.main.filename)' },
  }),
  inline('sibling of a script', ['node', 'sub/job.js'], {
    files: { 'sub/job.js': 'console.log(require("./near"), __dirname)', 'sub/near.js': 'module.exports = 4' },
  }),
  inline('no such script', ['node', 'nothing.js']),
  inline('eval by its long name', [
    'node',
    '--eval',
    'console.log(process.argv, process.execArgv)',
    'a',
    '-b',
  ]),
  inline('print', ['node', '-p', '1 + 1'], plain),
  inline('from standard input', ['node'], { stdin: 'console.log(1)', ...plain }),
  inline('version', ['node', '--version'], plain),
  inline('module by option', ['node', '--input-type=module', '-e', 'console.log(import.meta.url)'], plain),
  inline('check', ['node', '--check', 'job.js'], { files: { 'job.js': 'x' }, ...plain }),
  inline('path to the program', [process.execPath, '-e', 'console.log(process.argv0)'], plain),
  inline('no code', ['node', '-e'], plain),
];
