// A double of GitHub's API for check runs. It holds every request against GitHub's own description of the API, and against
// the limits that only its prose and its errors tell.
//
//   node server.mjs FOLDER CONFIG        FOLDER: where setup.sh installed packages and operations.json
//
// CONFIG, JSON: { "refuse": 403 }                             each write is refused with this status
//               { "faults": [{ "method", "nth", "kind" }] }   the nth request (from 1) of a method goes wrong:
//   "500-after": done, then 500   "500": not done   "reset-after": done, then the connection breaks
//   "reset": not done   "429": with Retry-After: 1   "429-reset": by x-ratelimit-reset, in a second   "422"
//               { "delay": MILLISECONDS }                     before each answer
//
// Says its port on standard output, then one line of JSON for each request: { method, path, status, invalid }.
// GET /state gives all check runs. Ends with its standard input.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const [folder, config] = [process.argv[2], JSON.parse(process.argv[3] ?? '{}')];
const require = createRequire(`${folder}/`);
const Ajv = require('ajv').default;
const addFormats = require('ajv-formats').default;
const LONGEST_TEXT = 65535;
const BATCH = 50;

const ajv = addFormats(new Ajv({ strict: false, allErrors: true, coerceTypes: false }));
const loose = addFormats(new Ajv({ strict: false, allErrors: true, coerceTypes: true }));
const operations = JSON.parse(readFileSync(`${folder}/operations.json`, 'utf8')).map((operation) => ({
  ...operation,
  pattern: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, '([^/]+)')}$`),
  validate: operation.body && ajv.compile(operation.body),
  query: loose.compile({
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(operation.parameters.filter((one) => one.in === 'query').map((one) => [one.name, one.schema])),
  }),
}));

const runs = [];
const counts = {};

/** What is wrong with a request, as far as GitHub's description goes. */
function invalid(operation, url, body) {
  const query = Object.fromEntries(url.searchParams);
  if (!operation.query(query)) return loose.errorsText(operation.query.errors);
  if (!operation.validate) return body === null ? null : 'a body where none belongs';
  if (body === null) return 'no JSON';
  // Keys that the description does not know are a slip, even where it does not forbid them.
  const unknown = Object.keys(body).filter((key) => !(key in operation.body.properties));
  if (unknown.length) return `unknown keys: ${unknown}`;
  return operation.validate(body) ? null : ajv.errorsText(operation.validate.errors);
}

/** What GitHub refuses beyond its description. */
function overLimit(body) {
  const { output } = body;
  if (body.status === 'completed' && !body.conclusion) return 'a conclusion is required when completed';
  if (!output) return null;
  if (!output.title || output.summary === undefined) return 'output needs a title and a summary';
  for (const key of ['summary', 'text']) {
    if (output[key] && Buffer.byteLength(output[key]) > LONGEST_TEXT) return `${key} is too long (maximum is 65535 characters)`;
  }
  const annotations = output.annotations ?? [];
  if (annotations.length > BATCH) return `No more than ${BATCH} items are allowed; ${annotations.length} were supplied.`;
  for (const one of annotations) {
    if (Buffer.byteLength(one.message) > 64 * 1024) return 'message exceeds 64 KB';
    if ((one.title ?? '').length > 255) return 'title exceeds 255 characters';
    if (one.start_line < 1 || one.end_line < one.start_line) return 'lines are out of order';
    if (one.start_line !== one.end_line && (one.start_column || one.end_column)) return 'columns span lines';
    if (one.path.startsWith('/') || one.path.split('/').includes('..')) return 'path is not in the repository';
  }
  return null;
}

function change(run, body) {
  const { output, ...rest } = body;
  Object.assign(run, rest);
  if (output) {
    run.title = output.title;
    run.summary = output.summary;
    run.annotations.push(...(output.annotations ?? []));
  }
}

const shown = (run) => ({
  id: run.id,
  name: run.name,
  external_id: run.external_id,
  status: run.status,
  conclusion: run.conclusion ?? null,
  output: { title: run.title ?? null, annotations_count: run.annotations.length },
});

function act(operation, parts, url, body) {
  if (operation.method === 'post') {
    const run = { id: runs.length + 1, annotations: [] };
    runs.push(run);
    change(run, body);
    return [201, shown(run)];
  }
  if (operation.path.endsWith('{check_run_id}')) {
    const run = runs.find((one) => String(one.id) === parts[2]);
    if (!run) return [404, { message: 'Not Found' }];
    if (operation.method === 'patch') change(run, body);
    return [200, shown(run)];
  }
  const name = url.searchParams.get('check_name');
  const found = runs.filter((run) => run.head_sha === decodeURIComponent(parts[2]) && run.name === name);
  return [200, { total_count: found.length, check_runs: found.map(shown) }];
}

/** Status, body and headers of the answer; no status: the connection breaks. */
function answer(request, url, text) {
  const method = request.method.toLowerCase();
  if (!/^(Bearer|token) \S+$/.test(request.headers.authorization ?? '')) return { status: 401, body: { message: 'Requires authentication' } };
  const operation = operations.find((one) => one.method === method && one.pattern.test(url.pathname));
  if (!operation) return { status: 404, body: { message: 'Not Found' }, wrong: 'no such operation' };
  let body = null;
  try {
    if (text) body = JSON.parse(text);
  } catch {}
  const wrong = invalid(operation, url, body);
  if (wrong) return { status: 422, body: { message: `Invalid request. ${wrong}` }, wrong };
  if (config.refuse && method !== 'get') {
    return { status: config.refuse, body: { message: 'Resource not accessible by integration' } };
  }
  const limit = body && overLimit(body);
  if (limit) return { status: 422, body: { message: limit }, wrong: limit };
  counts[method] = (counts[method] ?? 0) + 1;
  const fault = (config.faults ?? []).find((one) => one.method.toLowerCase() === method && one.nth === counts[method])?.kind;
  const soon = String(Math.ceil(Date.now() / 1000) + 1);
  const early = {
    500: { status: 500 },
    reset: {},
    422: { status: 422, body: { message: 'No commit found for SHA' } },
    429: { status: 429, headers: { 'retry-after': '1' } },
    '429-reset': { status: 429, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': soon } },
  }[fault];
  if (early) return early;
  const [status, result] = act(operation, operation.pattern.exec(url.pathname).slice(1), url, body);
  if (fault === '500-after') return { status: 500 };
  if (fault === 'reset-after') return {};
  return { status, body: result };
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname === '/state') return response.end(JSON.stringify(runs));
    const { status, body, headers, wrong } = answer(request, url, Buffer.concat(parts).toString());
    console.log(JSON.stringify({ method: request.method, path: request.url, status: status ?? 0, invalid: wrong ?? null }));
    setTimeout(() => {
      if (!status) return request.socket.destroy();
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body ?? { message: 'Server Error' }));
    }, config.delay ?? 0);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('close', () => process.exit(0)).resume();
