// The action's post step: ends a container that outlived the step, and has the program clean up what a run has left.
'use strict';

const fs = require('node:fs');

const { attempt, log, show } = require('./runner');
const { commandLine } = require('./inputs');
const { Docker, prepare, runArguments, translate } = require('./docker');

attempt(async () => {
  const { STATE_container: container, STATE_image: image } = process.env;
  if (!container) {
    log('Ovenbird started nothing that is left to clean up.');
    return 0;
  }
  const docker = new Docker(process.env);
  if (await docker.remove(container)) {
    log(`Stopped the container ${container}.`);
  }
  const request = commandLine(process.env);
  if (request.command !== 'build' || !fs.existsSync(request.folders.out)) {
    return 0;
  }
  return cleanUp(request, image);
});

async function cleanUp(request, image) {
  const args = ['cleanup', `--out=${request.folders.out}`];
  const step = prepare(process.env, { ...request, command: 'cleanup', vars: {}, args });
  const docker = new Docker(step.environment);
  await translate(step, docker);
  const status = await docker.run(runArguments(step, image, step.command), step.container);
  if (status !== 0) {
    show('error', 'Something is left', `\`ovenbird cleanup\` ended with status ${status}: its log names what it is`);
  }
  return status;
}
