// The runner around the action: its workflow commands, its file commands, and what stops us.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');

// What a person has to do something about: shown as one annotation. `status` is the step's exit status.
class Failure extends Error {
  constructor(title, message, status = 1) {
    super(message);
    this.title = title;
    this.status = status;
  }
}

// The runner's own rules (ActionCommand.cs): `%` first, for what follows makes new ones.
function escapeData(text) {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text) {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

// The old form of a command, `##[name]`, is obeyed wherever it stands in a line; also in the data of another one.
function defused(text) {
  return text.replaceAll('##[', '## [');
}

// Text of others for the log: it begins no command, in any of its lines.
function log(text) {
  const lines = defused(text).split(/\r\n|\r|\n/);
  process.stdout.write(lines.map((line) => line.replace(/^\s*::/, '| $&')).join('\n') + '\n');
}

// An annotation: `error`, `warning` or `notice`.
function show(level, title, message) {
  process.stdout.write(`::${level} title=${escapeProperty(defused(title))}::${escapeData(defused(message))}\n`);
}

// What the post step is to know. A random delimiter, for a value could hold any other.
function saveState(environment, values) {
  if (!environment.GITHUB_STATE) {
    return;
  }
  const entries = Object.entries(values).map(([name, value]) => {
    const delimiter = `ovenbird_${crypto.randomBytes(16).toString('hex')}`;
    return `${name}<<${delimiter}\n${value}\n${delimiter}\n`;
  });
  fs.appendFileSync(environment.GITHUB_STATE, entries.join(''));
}

// Runs one of the action's two steps, which gives the exit status. Whatever stops it is one annotation.
async function attempt(step) {
  try {
    // No `process.exit`, which would cut what waits in a pipe.
    process.exitCode = await step();
  } catch (error) {
    if (!(error instanceof Failure)) {
      log(error.stack);
    }
    show('error', error.title ?? 'The action failed', error.message);
    process.exitCode = error.status ?? 1;
  }
}

module.exports = { Failure, attempt, escapeData, escapeProperty, log, saveState, show };
