// What the action asks of Docker, seen by a `docker` of the tests' own on PATH. `tests/action.rs` runs these.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { once } = require('node:events');
const { spawn } = require('node:child_process');
const { afterEach, test } = require('node:test');

const { commandLine } = require('../inputs');
const { mountArgument, onTheMachine } = require('../docker');
const { escapeData, escapeProperty } = require('../runner');

const ACTION = path.dirname(__dirname);
const folders = [];

afterEach(() => folders.splice(0).forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })));

// A runner's folders and files, with a workspace that holds a definition.
function runner() {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'action-')));
  folders.push(root);
  for (const folder of ['bin', 'workspace/images', 'temp', 'tools']) {
    fs.mkdirSync(path.join(root, folder), { recursive: true });
  }
  for (const file of ['output', 'summary', 'state', 'event.json', 'workspace/ovenbird.yml', 'calls']) {
    fs.writeFileSync(path.join(root, file), '');
  }
  fs.copyFileSync(path.join(__dirname, 'docker'), path.join(root, 'bin/docker'));
  fs.chmodSync(path.join(root, 'bin/docker'), 0o755);
  return root;
}

function environment(root, inputs = {}, more = {}) {
  const given = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
  return {
    PATH: `${root}/bin:${path.dirname(process.execPath)}:/usr/bin:/bin`,
    FAKE: root,
    HOME: root,
    GITHUB_ACTIONS: 'true',
    GITHUB_RUN_ID: '7',
    GITHUB_WORKSPACE: `${root}/workspace`,
    GITHUB_OUTPUT: `${root}/output`,
    GITHUB_STEP_SUMMARY: `${root}/summary`,
    GITHUB_STATE: `${root}/state`,
    GITHUB_ENV: `${root}/env`,
    GITHUB_EVENT_PATH: `${root}/event.json`,
    RUNNER_TEMP: `${root}/temp`,
    RUNNER_TOOL_CACHE: `${root}/tools`,
    INPUT_IMAGE: 'baker',
    ...Object.fromEntries(given),
    ...more,
  };
}

function start(root, file, variables) {
  const stdio = ['ignore', 'pipe', 'pipe'];
  const child = spawn(process.execPath, [path.join(ACTION, file)], { env: variables, stdio });
  child.text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (child.text += text));
  }
  return child;
}

async function run(root, file, variables) {
  const child = start(root, file, variables);
  const [status] = await once(child, 'close');
  return { status, text: child.text, calls: calls(root) };
}

// What Docker was asked, each call with its arguments and environment.
function calls(root) {
  return fs.readFileSync(path.join(root, 'calls'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

function called(all, command) {
  const found = all.filter((call) => call.args[0] === command);
  assert.equal(found.length, 1, `${command} in ${JSON.stringify(all.map((call) => call.args))}`);
  return found[0];
}

// The values of a flag that may be given several times.
function values(args, flag) {
  return args.flatMap((one, index) => (one === flag ? [args[index + 1]] : []));
}

test('a build is one container that has the workspace, the cache and the files of the step', async () => {
  const root = runner();
  const { status, calls: all } = await run(root, 'main.js', environment(root, { jobs: 'a\nb', only: '-x' }));
  assert.equal(status, 0);
  const { args } = called(all, 'run');
  const bind = (file, more = '') => `type=bind,source=${root}/${file},target=${root}/${file}${more}`;
  assert.deepEqual(values(args, '--mount'), [
    bind('workspace'),
    bind('tools/ovenbird'),
    bind('output'),
    bind('summary'),
    bind('event.json', ',readonly'),
  ]);
  assert.deepEqual(values(args, '--workdir'), [`${root}/workspace`]);
  assert.match(values(args, '--name')[0], /^ovenbird-7-1-[0-9a-f]{12}$/);
  const command = ['baker', 'build', '--file=ovenbird.yml', '--only=-x', '--out=ovenbird-out', '--', 'a', 'b'];
  assert.deepEqual(args.slice(-command.length), command);
  assert.equal(values(args, '--device').length, fs.existsSync('/dev/kvm') ? 1 : 0);
});

test('no value of a variable, a secret or a token is an argument of any process', async () => {
  const root = runner();
  const secrets = { ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'hush-1', ACTIONS_RUNTIME_TOKEN: 'hush-2', DEPLOY_KEY: 'hush-3' };
  const inputs = { token: 'hush-4', vars: 'suite=trixie\npassword= hush-5=\n\n' };
  const { calls: all } = await run(root, 'main.js', environment(root, inputs, secrets));
  assert.doesNotMatch(JSON.stringify(all.map((call) => call.args)), /hush/);
  const { args, env, vars } = called(all, 'run');
  const names = values(args, '--env');
  for (const name of [...Object.keys(secrets), 'OVENBIRD_GITHUB_TOKEN', 'OVENBIRD_CACHE_DIR', 'GITHUB_RUN_ID']) {
    assert.ok(names.includes(name), name);
  }
  assert.equal(env.OVENBIRD_GITHUB_TOKEN, 'hush-4');
  assert.deepEqual(vars, { mode: 0o600, values: { suite: 'trixie', password: ' hush-5=' } });
  assert.ok(args.includes('--var-file=/inputs/vars'));
  assert.deepEqual(fs.readdirSync(`${root}/temp`), [], 'the file of variables is left');
});

test('variables of the machine, and files that change later steps, stay outside', async () => {
  const root = runner();
  const kept = { LD_PRELOAD: 'x', NODE_OPTIONS: '--no-warnings', BASH_ENV: 'x', 'a.b': 'x', GIT_DIR: 'x' };
  const { calls: all } = await run(root, 'main.js', environment(root, {}, { ...kept, LD_PRELOAD: '', SUITE: 'sid' }));
  const names = values(called(all, 'run').args, '--env');
  assert.ok(names.includes('SUITE'));
  const outside = [...Object.keys(kept), 'PATH', 'HOME', 'GITHUB_ENV', 'GITHUB_STATE', 'INPUT_IMAGE'];
  assert.deepEqual(names.filter((name) => outside.includes(name)), []);
});

test('each command has the flags of its own inputs', () => {
  const root = runner();
  const line = (inputs) => commandLine(environment(root, inputs)).args.join(' ');
  const plan = { command: 'plan', matrix: '{"a":[1]}' };
  assert.equal(line(plan), 'plan --file=ovenbird.yml --matrix={"a":[1]} --format=github');
  assert.equal(line({ command: 'validate', out: 'ovenbird-out' }), 'validate --file=ovenbird.yml --format=github');
  assert.equal(line({ command: 'build', annotations: 'none' }).includes('--annotations=none'), true);
  assert.equal(line({ cell: '{"a":1}' }), 'build --file=ovenbird.yml --cell={"a":1} --out=ovenbird-out');
  assert.equal(line({ command: 'cleanup' }), 'cleanup --out=ovenbird-out');
  assert.equal(
    line({ command: 'collect', records: 'got/a\ngot/b', jobs: 'a b' }),
    'collect --file=ovenbird.yml --out=ovenbird-out --job=a --job=b -- got/a got/b',
  );
});

test('the folder to work in is named from the workspace, the cache too', async () => {
  const root = runner();
  fs.writeFileSync(`${root}/workspace/images/web.yml`, '');
  const inputs = { 'working-directory': 'images', definition: 'web.yml', cache: '.cache' };
  const { args, env } = called((await run(root, 'main.js', environment(root, inputs))).calls, 'run');
  assert.deepEqual(values(args, '--workdir'), [`${root}/workspace/images`]);
  assert.equal(env.OVENBIRD_CACHE_DIR, `${root}/workspace/.cache`);
  assert.ok(!values(args, '--mount').some((one) => one.includes('.cache')), 'it is in the workspace');
});

test('a link of the checkout does not choose what of the machine the container gets', async () => {
  const root = runner();
  fs.symlinkSync('/etc', `${root}/workspace/.cache`);
  const { status, text, calls: all } = await run(root, 'main.js', environment(root, { cache: '.cache' }));
  assert.notEqual(status, 0);
  assert.match(text, /^::error .*`cache` names `\.cache`, a link of the workspace that leads out of it/m);
  assert.deepEqual(all.filter((call) => call.args[0] === 'run'), []);
});

test('a definition may be named by its whole path, and a variable may have any name', async () => {
  const root = runner();
  const inputs = { definition: `${root}/workspace/ovenbird.yml`, vars: '__proto__=a\nconstructor=b' };
  const { vars } = commandLine(environment(root, inputs));
  assert.equal(JSON.stringify(vars), '{"__proto__":"a","constructor":"b"}');
});

const WRONG = [
  [{ command: 'bake' }, '`command` is `bake`', '`build`, `validate`'],
  [{ command: 'validate', jobs: 'a' }, '`jobs` has no effect with `command: validate`', 'remove the line'],
  [{ cell: '{}', jobs: 'a' }, '`cell` can\'t be given together with `jobs`', 'remove one'],
  [{ cell: '{}', matrix: '{}' }, '`cell` can\'t be given together with `matrix`', 'remove one'],
  [{ cell: '{"a":' }, '`cell` is not JSON', 'cell: ${{ toJSON(matrix) }}'],
  [{ cell: '[1]' }, '`cell` is no JSON object', 'cell: ${{ toJSON(matrix) }}'],
  [{ matrix: '{"a":[' }, '`matrix` is not JSON', 'matrix: ${{'],
  [{ matrix: '../matrix.json' }, '`matrix` names `../matrix.json`, which is outside', 'inside'],
  [{ annotations: 'all' }, '`annotations` is `all`', '`checks`'],
  [{ annotations: 'checks' }, '`token` is empty', 'token: ${{ github.token }}'],
  [{ 'working-directory': '..' }, '`working-directory` names `..`, which is outside', 'inside'],
  [{ 'working-directory': 'nowhere' }, '`working-directory` names `nowhere`', 'from the root of the workspace'],
  [{ definition: 'web.yml' }, '`definition` names `web.yml`, which is not in the workspace', 'working-directory:'],
  [{ out: '/tmp' }, '`out` names `/tmp`, which is outside', 'inside'],
  [{ vars: 'hush' }, '`vars` has a line without `NAME=`', 'NAME=VALUE'],
  [{ image: '--privileged' }, '`--privileged` is no name of an image', ''],
];

for (const [inputs, problem, cure] of WRONG) {
  test(`the inputs ${JSON.stringify(inputs)} end with one message: ${problem}`, async () => {
    const root = runner();
    const { status, text, calls: all } = await run(root, 'main.js', environment(root, inputs));
    assert.notEqual(status, 0);
    assert.equal(text.match(/^::error/gm)?.length, 1, text);
    assert.ok(text.includes(problem) && text.includes(cure), text);
    assert.doesNotMatch(text, /hush/);
    assert.deepEqual(all.filter((call) => call.args[0] === 'run'), []);
    assert.equal(fs.readFileSync(`${root}/state`, 'utf8'), '', 'the post step would look for a container');
  });
}

test('an empty workspace wants a checkout', async () => {
  const root = runner();
  fs.rmSync(`${root}/workspace`, { recursive: true });
  fs.mkdirSync(`${root}/workspace`);
  const { text } = await run(root, 'main.js', environment(root));
  assert.match(text, /add the line `- uses: actions\/checkout@v5`/);
});

test('without Docker, or its engine, the cure is told', async () => {
  const root = runner();
  const without = await run(root, 'main.js', environment(root, {}, { PATH: '/nowhere' }));
  assert.match(without.text, /^::error title=No Docker::`docker` is not installed.*%0Ause a runner with Docker/m);
  const dead = { FAKE_VERSION: 'Cannot connect to the Docker daemon' };
  const silent = await run(root, 'main.js', environment(root, {}, dead));
  assert.match(silent.text, /^::error title=No Docker::.*Cannot connect to the Docker daemon%0Ause a runner/m);
  const denied = await run(root, 'main.js', environment(root, {}, { FAKE_VERSION: 'permission denied: docker.sock' }));
  assert.match(denied.text, /add the runner's user to the group `docker`/);
});

test('an image that was asked for and can\'t be pulled is an error that names the input', async () => {
  const root = runner();
  const { status, text } = await run(root, 'main.js', environment(root, {}, { FAKE_PULL: 'denied: no access' }));
  assert.equal(status, 1);
  const message = /^::error title=Input `image`::the image `baker` can't be pulled: denied: no access%0A.*: build/m;
  assert.match(text, message);
});

test('an image can be built from the action\'s folder, and its log commands nothing', async () => {
  const root = runner();
  const hostile = environment(root, { image: 'build' }, { FAKE_BUILD: '::error::x' });
  const { text, calls: all } = await run(root, 'main.js', hostile);
  assert.equal(called(all, 'build').args.at(-1), path.dirname(ACTION));
  assert.ok(called(all, 'run').args.includes('ovenbird-action:built-here'));
  const [, token] = /^::stop-commands::([0-9a-f]{32})$/m.exec(text);
  const [from, evil, to] = [`::stop-commands::${token}`, '::error::x', `::${token}::`].map((one) => text.indexOf(one));
  assert.ok(from < evil && evil < to, text);
});

test('the exit status of the program is the step\'s', async () => {
  const root = runner();
  const { status, text } = await run(root, 'main.js', environment(root, {}, { FAKE_STATUS: '2' }));
  assert.equal(status, 2);
  assert.doesNotMatch(text, /::error/);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} reaches Docker once, and the step ends after the container`, async () => {
    const root = runner();
    const child = start(root, 'main.js', environment(root, {}, { FAKE_WAIT: '1' }));
    while (!child.text.includes('running')) {
      await once(child.stdout, 'data');
    }
    child.kill(signal);
    const [status] = await once(child, 'close');
    assert.equal(child.text.split(`got ${signal}`).length, 2, child.text);
    assert.ok(child.text.includes('container ended'), child.text);
    assert.equal(status, 128 + os.constants.signals[signal]);
    assert.doesNotMatch(child.text, /::error/);
  });
}

test('a container that outlives its client is stopped by its name', async () => {
  const root = runner();
  const { status, text, calls: all } = await run(root, 'main.js', environment(root, {}, { FAKE_DIES: '1' }));
  assert.equal(status, 1);
  const name = values(called(all, 'run').args, '--name')[0];
  assert.equal(called(all, 'stop').args.at(-1), name);
  assert.match(text, /^::error title=Docker's client ended::/m);
});

// The state that the runner would read after a main step.
function state(root) {
  const entries = fs.readFileSync(`${root}/state`, 'utf8').matchAll(/^(\w+)<<(\w+)\n([^]*?)\n\2$/gm);
  return Object.fromEntries([...entries].map(([, name, , value]) => [`STATE_${name}`, value]));
}

test('the post step cleans up with the same folders, in a container of its own', async () => {
  const root = runner();
  const first = called((await run(root, 'main.js', environment(root))).calls, 'run');
  fs.mkdirSync(`${root}/workspace/ovenbird-out`);
  fs.writeFileSync(`${root}/calls`, '');
  const { status, calls: all } = await run(root, 'post.js', environment(root, {}, state(root)));
  assert.equal(status, 0);
  const { args } = called(all, 'run');
  assert.deepEqual(args.slice(-3), ['baker', 'cleanup', `--out=${root}/workspace/ovenbird-out`]);
  assert.deepEqual(values(args, '--mount'), values(first.args, '--mount'));
  assert.notEqual(values(args, '--name')[0], values(first.args, '--name')[0]);
});

test('the post step stops a container that is still there, and fails only when something is left', async () => {
  const root = runner();
  await run(root, 'main.js', environment(root));
  fs.mkdirSync(`${root}/workspace/ovenbird-out`);
  fs.writeFileSync(`${root}/alive`, state(root).STATE_container);
  const { status, text } = await run(root, 'post.js', environment(root, {}, state(root)));
  assert.equal(status, 0);
  assert.match(text, /Stopped the container ovenbird-7-1-/);
  const left = await run(root, 'post.js', environment(root, {}, { ...state(root), FAKE_STATUS: '1' }));
  assert.equal(left.status, 1);
  assert.match(left.text, /^::error title=Something is left::/m);
});

test('the post step neither needs the definition nor fails without Docker', async () => {
  const root = runner();
  await run(root, 'main.js', environment(root));
  fs.mkdirSync(`${root}/workspace/ovenbird-out`);
  fs.rmSync(`${root}/workspace/ovenbird.yml`);
  const cleaned = await run(root, 'post.js', environment(root, {}, state(root)));
  assert.equal(cleaned.calls.filter((call) => call.args.includes('cleanup')).length, 1, cleaned.text);
  const { status, text } = await run(root, 'post.js', environment(root, {}, { ...state(root), FAKE_STATUS: '125' }));
  assert.equal(status, 0);
  assert.match(text, /^::warning title=Nothing was cleaned up::/m);
});

test('the post step of a step that started nothing says so in one line', async () => {
  const root = runner();
  const { status, text, calls: all } = await run(root, 'post.js', environment(root));
  assert.deepEqual([status, text.trim().split('\n').length, all], [0, 1, []]);
});

test('commands for the runner are escaped as it asks', () => {
  assert.equal(escapeData('5%\r\n25'), '5%25%0D%0A25');
  assert.equal(escapeProperty('a:b,c%3A'), 'a%3Ab%2Cc%253A');
});

test('a path may hold what Docker would take for the end of a field', () => {
  const both = (file) => mountArgument({ source: file, target: file, readonly: true });
  assert.equal(both('/a b'), 'type=bind,source=/a b,target=/a b,readonly');
  assert.equal(both('/a,b"c'), 'type=bind,"source=/a,b""c","target=/a,b""c",readonly');
});

test('in the container of a job, paths are those of the machine', () => {
  const mounts = [
    { Source: '/home/runner/work', Destination: '/__w' },
    { Source: '/home/runner/work/_temp', Destination: '/__w/_temp' },
  ];
  assert.equal(onTheMachine('/__w/a/a', mounts), '/home/runner/work/a/a');
  assert.equal(onTheMachine('/__w/_temp/x', mounts), '/home/runner/work/_temp/x');
  assert.throws(() => onTheMachine('/__work/a', mounts), /remove `container:` from the job/);
});
