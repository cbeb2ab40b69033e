import { httpTransport } from '../../client/http-transport.ts';
import { apiSuite } from './api.suite.ts';
import { appTransport } from './app-transport.ts';

apiSuite('a socket', ({ url }) => httpTransport({ url }));
apiSuite('no socket', ({ app }) => appTransport(app));
