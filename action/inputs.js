// The action's inputs: what they may say, and what they are on the program's command line. No container yet.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const { Failure } = require('./runner');

// Which inputs each command heeds. Any other is refused, so that none is without effect.
const HEEDED = {
  build: ['definition', 'jobs', 'cell', 'matrix', 'only', 'vars', 'out', 'cache', 'annotations'],
  validate: ['definition', 'cell', 'matrix', 'vars'],
  plan: ['definition', 'jobs', 'cell', 'matrix', 'only', 'vars'],
  collect: ['definition', 'jobs', 'matrix', 'only', 'vars', 'records', 'out'],
  cleanup: ['out', 'cache'],
};

// What action.yml says an input is when the workflow says nothing.
const DEFAULTS = { definition: 'ovenbird.yml', out: 'ovenbird-out', annotations: 'commands' };

const ANNOTATIONS = ['commands', 'checks', 'none'];

// The runner's name for an input: capitals, and blanks as `_`; a `-` stays.
function input(environment, name) {
  return (environment[`INPUT_${name.toUpperCase()}`] ?? '').trim();
}

function refuse(name, problem, cure) {
  return new Failure(`Input \`${name}\``, `the input \`${name}\` ${problem}\n${cure}`, 2);
}

// What was asked for: the command, its folders, and its arguments. Throws a `Failure` that names the input.
function commandLine(environment) {
  const given = (name) => input(environment, name);
  const command = given('command') || 'build';
  if (!Object.hasOwn(HEEDED, command)) {
    const known = Object.keys(HEEDED).map((one) => `\`${one}\``).join(', ');
    throw refuse('command', `is \`${command}\`, which is no command`, `write one of ${known}`);
  }
  checkHeeded(command, given);
  const folders = foldersOf(environment, command);
  checkCombinations(command, given);
  const { definition } = folders;
  if (HEEDED[command].includes('definition') && !fs.existsSync(path.resolve(folders.workdir, definition))) {
    throw missingDefinition(folders, definition);
  }
  const vars = variables(given('vars'));
  return { command, folders, vars, image: given('image'), token: given('token'), args: args(command, given, folders) };
}

function checkHeeded(command, given) {
  const all = new Set(Object.values(HEEDED).flat());
  for (const name of all) {
    const value = given(name);
    if (value && value !== DEFAULTS[name] && !HEEDED[command].includes(name)) {
      throw refuse(name, `has no effect with \`command: ${command}\``, `remove the line \`${name}: …\``);
    }
  }
}

function checkCombinations(command, given) {
  const both = (one, other, cure) => {
    if (given(one) && given(other)) {
      throw refuse(one, `can't be given together with \`${other}\``, cure);
    }
  };
  both('cell', 'jobs', 'a cell says already which jobs there are: remove one of the two lines');
  both('cell', 'matrix', 'a cell is one of a matrix: remove one of the two lines');
  parsed('cell', given('cell'), (value) => !Array.isArray(value), 'cell: ${{ toJSON(matrix) }}');
  if (/^[{[]/.test(given('matrix'))) {
    parsed('matrix', given('matrix'), () => true, 'matrix: ${{ toJSON(fromJSON(needs.plan.outputs.matrix)) }}');
  }
  const annotations = given('annotations') || DEFAULTS.annotations;
  if (!ANNOTATIONS.includes(annotations)) {
    const known = ANNOTATIONS.map((one) => `\`${one}\``).join(', ');
    throw refuse('annotations', `is \`${annotations}\``, `write one of ${known}`);
  }
  if (annotations === 'checks' && !given('token')) {
    throw refuse('token', 'is empty, and `annotations: checks` needs one', 'write `token: ${{ github.token }}`');
  }
}

function parsed(name, text, fits, cure) {
  if (!text) {
    return;
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(name, `is not JSON: ${error.message}`, `write \`${cure}\``);
  }
  if (value === null || typeof value !== 'object' || !fits(value)) {
    throw refuse(name, 'is no JSON object', `write \`${cure}\``);
  }
}

// Folders of the step, absolute and without links. Only what is in the workspace is there in the container.
function foldersOf(environment, command) {
  const given = (name) => input(environment, name);
  const named = environment.GITHUB_WORKSPACE;
  if (!named || !fs.existsSync(named)) {
    throw new Failure('No workspace', 'GITHUB_WORKSPACE names no folder: this is a step for GitHub Actions');
  }
  const workspace = fs.realpathSync(named);
  const inside = (name, from, value) => {
    const resolved = path.resolve(from, value);
    const real = realpath(resolved);
    if (!isInside(real, workspace)) {
      throw refuse(name, `names \`${value}\`, which is outside of the workspace`, 'name a folder inside of it');
    }
    return real;
  };
  const workdir = inside('working-directory', workspace, given('working-directory') || '.');
  if (!fs.existsSync(workdir) || !fs.statSync(workdir).isDirectory()) {
    const cure = checkoutCure(workspace) ?? 'folders are named from the root of the workspace';
    throw refuse('working-directory', `names \`${given('working-directory')}\`, which is no folder`, cure);
  }
  const definition = given('definition') || DEFAULTS.definition;
  inside('definition', workdir, definition);
  const out = inside('out', workdir, given('out') || DEFAULTS.out);
  const matrix = given('matrix');
  if (matrix && !/^[{[]/.test(matrix)) {
    inside('matrix', workdir, matrix);
  }
  const records = lines(given('records'));
  records.forEach((record) => inside('records', workdir, record));
  const cache = HEEDED[command].includes('cache') ? cacheOf(environment, given, workspace) : undefined;
  return { workspace, workdir, definition, out, records, cache };
}

// Downloads outlive a job only where the runner does: its tool cache is kept on machines of one's own.
function cacheOf(environment, given, workspace) {
  if (given('cache')) {
    const named = path.resolve(workspace, given('cache'));
    const real = realpath(named);
    // A link of the checkout, which a pull request may have brought, must not choose what of the machine is mounted.
    if (isInside(named, workspace) && !isInside(real, workspace)) {
      const problem = `names \`${given('cache')}\`, a link of the workspace that leads out of it`;
      throw refuse('cache', problem, 'name the folder itself, or one without links');
    }
    return real;
  }
  const home = environment.RUNNER_TOOL_CACHE || path.join(require('node:os').homedir(), '.cache');
  return realpath(path.join(home, 'ovenbird'));
}

function isInside(file, folder) {
  return file === folder || file.startsWith(folder + path.sep);
}

// The real path, also of what is not there yet: as far as its parents are.
function realpath(file) {
  if (fs.existsSync(file)) {
    return fs.realpathSync(file);
  }
  const parent = path.dirname(file);
  return parent === file ? file : path.join(realpath(parent), path.basename(file));
}

function missingDefinition(folders, definition) {
  const place = path.relative(folders.workspace, folders.workdir) || 'the workspace';
  const cure = checkoutCure(folders.workspace) ?? 'name it with `definition:`, or its folder with `working-directory:`';
  return refuse('definition', `names \`${definition}\`, which is not in ${place}`, cure);
}

// The usual reason why something is not there.
function checkoutCure(workspace) {
  const isEmpty = fs.readdirSync(workspace).length === 0;
  return isEmpty ? 'the workspace is empty: add the line `- uses: actions/checkout@v5` before this step' : undefined;
}

function variables(text) {
  // Without a prototype: `__proto__` is a name as any other.
  const values = Object.create(null);
  for (const line of text.split(/\r?\n/).filter((one) => one.trim())) {
    const [, name, value] = /^\s*([^=\s]+)=(.*)$/.exec(line) ?? [];
    if (name === undefined) {
      // The line itself may be a secret.
      throw refuse('vars', 'has a line without `NAME=`', 'write a line `NAME=VALUE` for each variable');
    }
    values[name] = value;
  }
  return values;
}

function lines(text) {
  return text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
}

// The program's arguments. `--flag=value` throughout: a value that begins with `-` is no flag then.
function args(command, given, folders) {
  const flag = (name, value) => (value && HEEDED[command].includes(name) ? [`--${FLAGS[name] ?? name}=${value}`] : []);
  const names = ['definition', 'cell', 'matrix', 'only', 'out'];
  const flags = names.flatMap((name) => flag(name, given(name) || DEFAULTS[name]));
  const annotations = given('annotations');
  if (annotations && annotations !== DEFAULTS.annotations) {
    flags.push(...flag('annotations', annotations));
  }
  if (command === 'plan' || command === 'validate') {
    flags.push('--format=github');
  }
  const jobs = given('jobs').split(/\s+/).filter(Boolean);
  if (command === 'collect') {
    flags.push(...jobs.map((job) => `--job=${job}`));
  }
  const positional = command === 'collect' ? folders.records : jobs;
  return [command, ...flags, ...(positional.length ? ['--', ...positional] : [])];
}

// Flags that are called otherwise than the input.
const FLAGS = { definition: 'file' };

module.exports = { commandLine, foldersOf, input };
