// The action's step: turns its inputs into one `docker run`, and hands signals and the exit status through.
//
// All else is done by the program in the container, which also writes the outputs and the summary.
'use strict';

const { attempt } = require('./runner');
const { commandLine } = require('./inputs');
const { Docker, forget, prepare, remember, runArguments, translate } = require('./docker');

attempt(async () => {
  const step = prepare(process.env, commandLine(process.env));
  try {
    const docker = new Docker(step.environment);
    await docker.check();
    await translate(step, docker);
    const image = await docker.image(step.image);
    // Before the start: the post step must know of it however this one ends.
    remember(step, image);
    return await docker.run(runArguments(step, image, step.command), step.container);
  } finally {
    forget(step);
  }
});
