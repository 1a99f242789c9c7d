// Takes the operations that we use out of GitHub's description of its API, with all that they refer to: 13 MB become some
// kilobytes, so that the double starts at once.
//
//   node extract.mjs api.github.com.json > operations.json
import { readFileSync } from 'node:fs';

const OPERATIONS = [
  ['/repos/{owner}/{repo}/check-runs', 'post'],
  ['/repos/{owner}/{repo}/check-runs/{check_run_id}', 'get'],
  ['/repos/{owner}/{repo}/check-runs/{check_run_id}', 'patch'],
  ['/repos/{owner}/{repo}/commits/{ref}/check-runs', 'get'],
];

const whole = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const at = (pointer) =>
  pointer.slice(2).split('/').reduce((value, key) => value[key.replaceAll('~1', '/').replaceAll('~0', '~')], whole);

function resolved(value) {
  if (Array.isArray(value)) return value.map(resolved);
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$ref === 'string') return resolved(at(value.$ref));
  // Examples are no schema, and half of the text.
  return Object.fromEntries(
    Object.entries(value).filter(([key]) => !['example', 'examples'].includes(key)).map(([key, part]) => [key, resolved(part)]),
  );
}

const operations = OPERATIONS.map(([path, method]) => {
  const { parameters, requestBody } = whole.paths[path][method];
  return { path, method, parameters: resolved(parameters ?? []), body: resolved(requestBody?.content['application/json'].schema ?? null) };
});
console.log(JSON.stringify(operations));
