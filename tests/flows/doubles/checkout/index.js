'use strict';
// Puts the one repository that is known here in its place, if it is asked for with the right commit.
const fs = require('node:fs');
const path = require('node:path');

const { INPUT_REPOSITORY, INPUT_REF, INPUT_PATH, GITHUB_WORKSPACE, TEST_STORE } = process.env;
if (INPUT_REPOSITORY !== 'bakery/ovenbird' || INPUT_REF !== '0123456789abcdef0123456789abcdef01234567') {
  throw new Error(`there is no ${INPUT_REPOSITORY}@${INPUT_REF}`);
}
fs.cpSync(path.join(TEST_STORE, 'ovenbird'), path.join(GITHUB_WORKSPACE, INPUT_PATH), { recursive: true });
