// Evaluates expressions with GitHub's npm package: a case a line in, an outcome a line out.
//
//   node evaluate.mjs FOLDER      FOLDER: where `npm ci` installed the package
//
// In:  {"expr": text, "contexts": {name: value}}
// Out: {"value": encoded} or {"error": message}. Numbers are encoded as {"number": text}, because JSON has no NaN, no
//      infinities and no -0 that survives; objects as {"object": [[key, value]]}, because their order counts.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const entry = `${process.argv[2]}/node_modules/@actions/expressions/dist/index.js`;
const { data, Evaluator, Lexer, Parser } = await import(pathToFileURL(entry));

const constant = (name, value) => ({ name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(value) });
const functions = [
  constant("success", true),
  constant("always", true),
  constant("failure", false),
  constant("cancelled", false),
];
const byName = new Map(functions.map((one) => [one.name, one]));

function encode(value) {
  switch (value.kind) {
    case data.Kind.Null:
      return null;
    case data.Kind.Number:
      return { number: Object.is(value.value, -0) ? "-0" : String(value.value) };
    case data.Kind.Array:
      return value.values().map(encode);
    case data.Kind.Dictionary:
      return { object: value.pairs().map(({ key, value }) => [key, encode(value)]) };
    default:
      return value.value;
  }
}

function evaluate({ expr, contexts }) {
  const dictionary = JSON.parse(JSON.stringify(contexts), data.reviver);
  const { tokens } = new Lexer(expr).lex();
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  // The package has no tree for an empty expression, and leaves to its callers what that means.
  return tree === undefined ? null : encode(new Evaluator(tree, dictionary, byName).evaluate());
}

for await (const line of createInterface({ input: process.stdin })) {
  let outcome;
  try {
    outcome = { value: evaluate(JSON.parse(line)) };
  } catch (error) {
    outcome = { error: String(error.message) };
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
