// The container: what it is given of the runner, and Docker's program, which starts and ends it.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn } = require('node:child_process');

const { Failure, log, saveState, show } = require('./runner');

// The action's own folder, from which the image can be built.
const ACTION = path.dirname(__dirname);

// Variables that mean something on the runner's machine only, or would change the programs in the container. All others
// are passed, for a definition's `variables` may read any: which one a workflow has set, and which the machine, can't
// be told apart here.
const KEPT_NAMES = new Set(
  ('PATH HOME USER LOGNAME SHELL PWD OLDPWD SHLVL _ HOSTNAME TERM MAIL TMPDIR TMP TEMP LANG LANGUAGE ENV CDPATH IFS ' +
    'SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE REQUESTS_CA_BUNDLE GITHUB_ENV GITHUB_PATH GITHUB_STATE ' +
    'OVENBIRD_CACHE_DIR OVENBIRD_IMAGE').split(' '),
);
const KEPT_PREFIXES =
  ('INPUT_ STATE_ LC_ LD_ XDG_ DOCKER_ BUILDKIT_ BUILDX_ NODE_ NPM_ npm_ BASH_ GIT_ PYTHON PERL RUBY JAVA_ GOROOT ' +
    'ANDROID_ SSH_ SUDO_ SYSTEMD_ DBUS_ ACTIONS_RUNNER_ RUNNER_TRACKING_ ANSIBLE_ QEMU_').split(' ');

// Where the file of variables is in the container. Messages name it.
const VARS = '/inputs/vars';

// All of a step: what the container is, and what belongs to it on this machine.
function prepare(environment, request) {
  if (process.platform !== 'linux') {
    throw new Failure('No Linux', 'Ovenbird runs on Linux: write `runs-on: ubuntu-24.04`', 2);
  }
  const { folders } = request;
  const writes = request.command === 'build' || request.command === 'collect';
  if (writes && isReadOnly(folders.out)) {
    const problem = `the output folder \`${folders.out}\` is on a read-only file system`;
    throw new Failure('Input `out`', `${problem}\nmount it writable, or write \`out:\` with a folder that is`);
  }
  const run = [environment.GITHUB_RUN_ID ?? '0', environment.GITHUB_RUN_ATTEMPT ?? '1'];
  return {
    container: ['ovenbird', ...run, crypto.randomBytes(6).toString('hex')].join('-').replaceAll(/[^\w.-]/g, ''),
    image: request.image,
    command: request.args,
    workdir: folders.workdir,
    kvm: fs.existsSync('/dev/kvm'),
    ...givenToIt(environment, request),
  };
}

// The mounts, and the variables: values go by the environment of Docker's program, names by its arguments.
function givenToIt(environment, { folders, vars, token, args }) {
  const mounts = [mount(folders.workspace)];
  const ours = { GITHUB_WORKSPACE: folders.workspace };
  if (folders.cache) {
    makeCache(folders.cache);
    ours.OVENBIRD_CACHE_DIR = folders.cache;
    if (!folders.cache.startsWith(folders.workspace + path.sep)) {
      mounts.push(mount(folders.cache));
    }
  }
  if (token) {
    ours.OVENBIRD_GITHUB_TOKEN = token;
  }
  const names = new Set([...Object.keys(environment).filter(isPassed), ...Object.keys(ours)]);
  for (const [name, readonly] of [['GITHUB_OUTPUT'], ['GITHUB_STEP_SUMMARY'], ['GITHUB_EVENT_PATH', true]]) {
    if (environment[name] && fs.existsSync(environment[name])) {
      mounts.push(mount(environment[name], { readonly }));
    } else {
      // What is written there would be lost with the container.
      names.delete(name);
    }
  }
  const varsFile = Object.keys(vars).length ? writeVars(environment, vars) : undefined;
  if (varsFile) {
    mounts.push(mount(varsFile, { target: VARS, readonly: true }));
    args.splice(1, 0, `--var-file=${VARS}`);
  }
  return { mounts, names: [...names], environment: { ...environment, ...ours }, varsFile };
}

// The same path inside as outside, so that the journal, the outputs and variables with paths mean the same in both.
function mount(source, { target = source, readonly = false } = {}) {
  return { source, target, readonly };
}

function isPassed(name) {
  return /^[A-Za-z_]\w*$/.test(name) && !KEPT_NAMES.has(name) && !KEPT_PREFIXES.some((one) => name.startsWith(one));
}

function isReadOnly(folder) {
  const there = fs.existsSync(folder) ? folder : path.dirname(folder);
  if (there !== folder && !fs.existsSync(there)) {
    return isReadOnly(there);
  }
  try {
    fs.accessSync(there, fs.constants.W_OK);
    return false;
  } catch (error) {
    // Who may write does not matter: the container's root may.
    return error.code === 'EROFS';
  }
}

function makeCache(folder) {
  try {
    fs.mkdirSync(folder, { recursive: true });
  } catch (error) {
    const cure = 'write `cache:` with a folder that can be made, such as `cache: .cache/ovenbird`';
    throw new Failure('Input `cache`', `the folder \`${folder}\` can't be made: ${error.message}\n${cure}`);
  }
}

// A file instead of arguments, which any process of the machine may read. JSON is YAML. All values are texts, as those
// of the flag `--var` are.
function writeVars(environment, vars) {
  const folder = fs.mkdtempSync(path.join(environment.RUNNER_TEMP || os.tmpdir(), 'ovenbird-'));
  const file = path.join(folder, 'vars');
  fs.writeFileSync(file, JSON.stringify(vars), { mode: 0o600 });
  return file;
}

// Tells the post step what to look for.
function remember(step, image) {
  saveState(step.environment, { container: step.container, image });
}

// Removes what only this step needed.
function forget(step) {
  if (step.varsFile) {
    fs.rmSync(path.dirname(step.varsFile), { recursive: true, force: true });
  }
}

// The arguments of `docker run`: an array, so that no shell ever reads one.
function runArguments(step, image, command) {
  const mounts = step.mounts.flatMap((one) => ['--mount', mountArgument(one)]);
  const names = step.names.flatMap((name) => ['--env', name]);
  const device = step.kvm ? ['--device', '/dev/kvm'] : [];
  const fixed = ['run', '--rm', '--name', step.container, '--workdir', step.workdir];
  return [...fixed, ...device, ...mounts, ...names, image, ...command];
}

// CSV, as Docker reads it: a path may hold a comma, or a line end.
function mountArgument({ source, target, readonly }) {
  const fields = ['type=bind', `source=${source}`, `target=${target}`, ...(readonly ? ['readonly'] : [])];
  return fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',');
}

// In the container of a job, Docker's engine knows the machine's paths, not ours. An engine that does not know our
// container is one inside of it, or beside it with the same folders.
async function translate(step, docker) {
  const id = ownContainer();
  const inspected = id && (await docker.ask(['container', 'inspect', '--format', '{{json .Mounts}}', id]));
  if (inspected?.status !== 0) {
    return;
  }
  const ours = JSON.parse(inspected.stdout);
  for (const one of step.mounts) {
    one.source = onTheMachine(one.source, ours);
  }
}

function onTheMachine(file, mounts) {
  const holds = ({ Destination: place }) => file === place || file.startsWith(place.replace(/\/?$/, '/'));
  const [nearest] = mounts.filter(holds).sort((one, other) => other.Destination.length - one.Destination.length);
  if (!nearest) {
    throw new Failure(
      'Inside a container',
      `\`${file}\` is in this job's container only, so that a container beside it can't have it\n` +
        'remove `container:` from the job, or name Ovenbird\'s image there, and write `run: ovenbird build` here',
    );
  }
  return path.join(nearest.Source, path.relative(nearest.Destination, file));
}

// The id of the container that we are in, from a file that Docker mounts into each.
function ownContainer() {
  if (!fs.existsSync('/.dockerenv') && !fs.existsSync('/run/.containerenv')) {
    return undefined;
  }
  const mounts = fs.readFileSync('/proc/self/mountinfo', 'utf8');
  return /\/containers\/([0-9a-f]{64})\//.exec(mounts)?.[1] ?? os.hostname();
}

// How long Docker may take to answer a question.
const PATIENCE = 60_000;

// How long a container may take to end when its client is gone: less than the runner leaves after a cancellation.
const STOP_SECONDS = 7;

// Docker's program.
class Docker {
  constructor(environment) {
    this.environment = environment;
    this.stopped = undefined;
    this.child = undefined;
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => {
        this.stopped = signal;
        this.child?.kill(signal);
      });
    }
  }

  // Refuses to go on where there is no engine.
  async check() {
    const answer = await this.ask(['version', '--format', '{{.Server.Version}}']);
    if (answer.error?.code === 'ENOENT') {
      throw new Failure('No Docker', '`docker` is not installed on this runner\n' + NO_DOCKER);
    }
    if (answer.status !== 0) {
      const denied = /permission denied/i.test(answer.stderr);
      const cure = denied ? 'add the runner\'s user to the group `docker`, and start the runner again' : NO_DOCKER;
      throw new Failure('No Docker', `Docker's engine does not answer: ${lastLine(answer.stderr)}\n${cure}`);
    }
  }

  // The image to run: pulled, or built.
  async image(wanted) {
    if (wanted === 'build') {
      return this.build();
    }
    const released = path.join(ACTION, 'action', 'image');
    const name = wanted || (fs.existsSync(released) ? fs.readFileSync(released, 'utf8').trim() : '');
    if (!name) {
      log('This copy of the action belongs to no release: its image is built here.');
      return this.build();
    }
    if (name.startsWith('-')) {
      throw new Failure('Input `image`', `\`${name}\` is no name of an image`, 2);
    }
    if ((await this.ask(['image', 'inspect', '--format', '{{.Id}}', name])).status === 0) {
      return name;
    }
    log(`Pulling ${name}`);
    const pulled = await this.collect(['pull', '--quiet', name]);
    if (pulled.status === 0) {
      return name;
    }
    const problem = `the image \`${name}\` can't be pulled: ${lastLine(pulled.stderr)}`;
    if (wanted) {
      const cure = 'log in to its registry in a step before this one (`docker/login-action`), or write `image: build`';
      throw new Failure('Input `image`', `${problem}\n${cure}`);
    }
    show('warning', 'The image is built here', `${problem}\nbuilding it from the action's sources takes minutes`);
    return this.build();
  }

  async build() {
    const name = 'ovenbird-action:built-here';
    // What a build prints is not ours: it could hold commands for the runner.
    const token = crypto.randomBytes(16).toString('hex');
    process.stdout.write(`::group::Build the image\n::stop-commands::${token}\n`);
    const built = await this.start(['build', '--tag', name, ACTION], { DOCKER_BUILDKIT: '1' });
    process.stdout.write(`\n::${token}::\n::endgroup::\n`);
    if (built.status !== 0) {
      throw new Failure('The image can\'t be built', `\`docker build\` ended with status ${built.status}: see its log`);
    }
    return name;
  }

  // Runs a container to its end, and gives its exit status.
  async run(args, container) {
    const ended = await this.start(args);
    const left = await this.remove(container);
    if (this.stopped) {
      return ended.status || 128 + os.constants.signals[this.stopped];
    }
    if (left || ended.signal) {
      throw new Failure('Docker\'s client ended', 'it ended before the container, which was stopped then');
    }
    if (ended.status === 125) {
      throw new Failure('The container can\'t be started', 'Docker\'s own message is in the log of this step', 125);
    }
    return ended.status;
  }

  // Stops and removes a container that is still there. Whether it was.
  async remove(container) {
    const found = await this.ask(['ps', '--all', '--quiet', '--filter', `name=^/?${container}$`]);
    if (found.status !== 0 || !found.stdout.trim()) {
      return false;
    }
    await this.ask(['stop', '--time', String(STOP_SECONDS), container]);
    // With `--rm` it may be gone by now.
    await this.ask(['rm', '--force', container]);
    return true;
  }

  // A short question, answered even after a cancellation.
  ask(args) {
    return ended(this.spawn(args, 'pipe'), PATIENCE);
  }

  // A program that may take long; what it prints is kept.
  collect(args) {
    return this.attended(args, 'pipe', {});
  }

  // A program that may take long; what it prints is shown.
  start(args, more = {}) {
    return this.attended(args, 'inherit', more);
  }

  async attended(args, output, more) {
    if (this.stopped) {
      throw new Failure('Cancelled', 'the step was cancelled', 128 + os.constants.signals[this.stopped]);
    }
    this.child = this.spawn(args, output, more);
    try {
      return await ended(this.child);
    } finally {
      this.child = undefined;
    }
  }

  // In a process group of its own: a Ctrl-C in a terminal would reach it twice, and twice means at once.
  spawn(args, output, more = {}) {
    const env = { ...this.environment, ...more };
    return spawn('docker', args, { env, detached: true, stdio: ['ignore', output, output] });
  }
}

const NO_DOCKER = 'use a runner with Docker (`runs-on: ubuntu-24.04` has it), or install and start it on this one';

// The end of a process, as a value: its exit status, or the signal or the error that kept it from one.
function ended(child, patience) {
  return new Promise((resolve) => {
    const answer = { status: null, stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text) => (answer.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text) => (answer.stderr += text));
    const timer = patience && setTimeout(() => child.kill('SIGKILL'), patience);
    const done = (more) => {
      clearTimeout(timer);
      resolve({ ...answer, ...more });
    };
    child.on('error', (error) => done({ error, stderr: error.message }));
    child.on('close', (status, signal) => done({ status, signal }));
  });
}

function lastLine(text) {
  return text.trim().split('\n').at(-1) || 'it gives no reason';
}

module.exports = { Docker, forget, mountArgument, onTheMachine, prepare, remember, runArguments, translate };
