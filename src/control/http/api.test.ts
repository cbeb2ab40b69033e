import { httpTransport } from '../../client/http-transport.ts';
import { socketTransport } from '../../client/socket-transport.ts';
import { apiSuite } from './api.suite.ts';
import { appTransport } from './app-transport.ts';

apiSuite('HTTP', ({ url }) => httpTransport({ url }));
apiSuite('one persistent connection', ({ url }) => socketTransport({ url }));
apiSuite('no connection', ({ app }) => appTransport(app));
