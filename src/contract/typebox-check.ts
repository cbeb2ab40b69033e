/** What holds a value against a schema; made one file by the build, as typebox.ts is. */
export { Compile } from 'typebox/compile';
export { Value } from 'typebox/value';
