'use strict';
// As the real one (its src/shared/search.ts): files are kept by their paths from the least common ancestor of all search
// paths, the search path of a pattern being its part before the first `*`. A path below another one adds no search path.
// Patterns have a `*` in their last part at most. An artifact is written once.
const fs = require('node:fs');
const path = require('node:path');

const { INPUT_NAME, INPUT_PATH, GITHUB_WORKSPACE, TEST_STORE } = process.env;

const given = INPUT_PATH.split('\n').map((line) => line.trim()).filter(Boolean);
const patterns = given.map((line) => path.resolve(GITHUB_WORKSPACE, line));
const searched = patterns.map((pattern) => (pattern.includes('*') ? path.dirname(pattern) : pattern));
const inside = (file, folder) => file === folder || file.startsWith(folder + path.sep);
const roots = [...new Set(searched)].filter((one) => !searched.some((other) => other !== one && inside(one, other)));

function filesBelow(file) {
  if (!fs.existsSync(file)) {
    return [];
  }
  return fs.statSync(file).isDirectory() ? fs.readdirSync(file).flatMap((name) => filesBelow(path.join(file, name))) : [file];
}

function matching(pattern) {
  const [folder, name] = [path.dirname(pattern), path.basename(pattern)];
  if (!pattern.includes('*')) {
    return filesBelow(pattern);
  }
  const wanted = new RegExp(`^${name.split('*').map((part) => part.replace(/\W/g, '\\$&')).join('.*')}$`);
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return names.filter((one) => wanted.test(one)).flatMap((one) => filesBelow(path.join(folder, one)));
}

function leastCommonAncestor() {
  const split = roots.map((root) => root.split(path.sep));
  const differs = split[0].findIndex((part, index) => split.some((other) => other[index] !== part));
  return (differs < 0 ? split[0] : split[0].slice(0, differs)).join(path.sep) || path.sep;
}

const files = [...new Set(patterns.flatMap(matching))];
const single = roots.length === 1 && files.length === 1 && files[0] === roots[0];
const root = single ? path.dirname(files[0]) : leastCommonAncestor();
if (files.length === 0) {
  console.log(`::warning::No files were found with the provided path: ${given.join(' ')}`);
  return;
}
const artifact = path.join(TEST_STORE, 'artifacts', INPUT_NAME);
if (fs.existsSync(artifact)) {
  throw new Error(`Conflict: an artifact with the name ${INPUT_NAME} already exists on the workflow run`);
}
for (const file of files) {
  const kept = path.join(artifact, path.relative(root, file));
  fs.mkdirSync(path.dirname(kept), { recursive: true });
  fs.copyFileSync(file, kept);
}
