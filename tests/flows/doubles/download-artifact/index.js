'use strict';
// As the real one (its src/download-artifact.ts): each artifact of a pattern in a folder of its name, or all in one.
const fs = require('node:fs');
const path = require('node:path');

const { INPUT_PATTERN, INPUT_PATH, GITHUB_WORKSPACE, TEST_STORE } = process.env;

const store = path.join(TEST_STORE, 'artifacts');
const wanted = new RegExp(`^${INPUT_PATTERN.split('*').map((part) => part.replace(/\W/g, '\\$&')).join('.*')}$`);
const names = fs.existsSync(store) ? fs.readdirSync(store) : [];
for (const name of names.filter((name) => wanted.test(name))) {
  const folder = process.env['INPUT_MERGE-MULTIPLE'] === 'true' ? '' : name;
  fs.cpSync(path.join(store, name), path.resolve(GITHUB_WORKSPACE, INPUT_PATH, folder), { recursive: true });
}
