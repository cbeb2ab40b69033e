/** The builder of schemas. All take it from here: its 370 files took 0.2 s to load, and the build makes one of them. */
export { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox';
