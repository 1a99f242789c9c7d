// The action's post step: ends a container that outlived the step, and has the program clean up what a run has left.
'use strict';

const fs = require('node:fs');

const { Failure, attempt, log, show } = require('./runner');
const { foldersOf, input } = require('./inputs');
const { Docker, prepare, runArguments, translate } = require('./docker');

attempt(async () => {
  const { STATE_container: container, STATE_image: image } = process.env;
  if (!container) {
    log('Ovenbird started nothing that is left to clean up.');
    return 0;
  }
  if (await new Docker(process.env).remove(container)) {
    log(`Stopped the container ${container}.`);
  }
  // Nothing else than a build leaves anything.
  if ((input(process.env, 'command') || 'build') !== 'build') {
    return 0;
  }
  try {
    return await cleanUp(image);
  } catch (error) {
    if (!(error instanceof Failure)) {
      throw error;
    }
    // The build had its own result; that it could not be cleaned up after is none.
    show('warning', 'Nothing was cleaned up', error.message);
    return 0;
  }
});

async function cleanUp(image) {
  // What the definition says does not matter any more, nor whether it is still there.
  const folders = foldersOf(process.env, 'cleanup');
  if (!fs.existsSync(folders.out)) {
    return 0;
  }
  const args = ['cleanup', `--out=${folders.out}`];
  const step = prepare(process.env, { command: 'cleanup', folders, vars: {}, token: '', args });
  const docker = new Docker(step.environment);
  await translate(step, docker);
  const status = await docker.run(runArguments(step, image, step.command), step.container);
  if (status !== 0) {
    show('error', 'Something is left', `\`ovenbird cleanup\` ended with status ${status}: its log names what it is`);
  }
  return status;
}
