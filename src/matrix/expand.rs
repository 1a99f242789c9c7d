//! GitHub's expansion: the product of the vectors, minus `exclude`, plus `include`.
//!
//! 1. The product of all vectors; the first key varies slowest.
//! 2. A cell that matches an entry of `exclude` goes.
//! 3. An entry of `include` is split: keys that are vectors filter, the others are extras. Its extras are added to
//!    every cell left whose values its filter matches: over the extras of entries before it, never over a vector's value.
//! 4. An entry of `include` that matched no cell is a cell of its own.
//!
//! A filter matches where each scalar in it, however deep, is loosely equal to what the cell has in that place.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use crate::expression::{Object, Value};

/// GitHub's limit of jobs in a run.
pub const MAX_CELLS: usize = 256;

/// A product beyond this is not even looked at: no `exclude` that a person writes makes [`MAX_CELLS`] of it.
const MAX_PRODUCT: usize = 65_536;

/// How many keys a matrix, or an entry of its lists, may have.
const MAX_KEYS: usize = 256;

/// How often an entry of `exclude` or `include` is compared with a combination, at most.
const MAX_COMPARISONS: usize = 1 << 24;

/// A matrix, its expressions already evaluated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The keys with their values, in order.
    pub vectors: Vec<(String, Vec<Json>)>,
    pub include: Vec<Map<String, Json>>,
    pub exclude: Vec<Map<String, Json>>,
}

/// One combination of a matrix's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// All values, in the order of the keys: first the originals, then the extras.
    pub values: Map<String, Json>,
    /// How many of `values` are originals.
    originals: usize,
}

impl Cell {
    /// A cell all of whose values are originals.
    #[must_use]
    pub fn of_originals(values: Map<String, Json>) -> Self {
        Self { originals: values.len(), values }
    }

    /// The values that name the cell: those of the vectors, or all of an `include` that is a cell of its own.
    pub fn originals(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.values.iter().take(self.originals).map(|(key, value)| (key.as_str(), value))
    }

    /// Whether a key is one of the originals.
    #[must_use]
    pub fn is_original(&self, key: &str) -> bool {
        self.originals().any(|(original, _)| same_key(original, key))
    }
}

/// Why a matrix has no expansion. Indices count the entries of `exclude` or `include` from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    #[error("the matrix must define at least one key with values, or an `include`")]
    NoVectors,
    #[error("the matrix key `{key}` does not contain any values")]
    EmptyVector { key: String },
    #[error("the matrix key `{key}` is defined twice: keys ignore case")]
    DuplicateKey { key: String },
    #[error("the matrix `exclude` key `{key}` does not match any key of the matrix")]
    UnknownExcludeKey { index: usize, key: String },
    #[error("a matrix `exclude` entry must not be empty")]
    EmptyExclude { index: usize },
    #[error("a matrix `include` entry must not be empty")]
    EmptyInclude { index: usize },
    #[error("the matrix makes {cells} jobs, and {MAX_CELLS} is the most")]
    TooManyCells { cells: usize },
    #[error("the matrix has {keys} keys, and {MAX_KEYS} is the most")]
    TooManyKeys { keys: usize },
    #[error("`include` and `exclude` have {entries} entries, too many for {combinations} combinations")]
    TooManyEntries { entries: usize, combinations: usize },
}

/// Expands a matrix. None is an answer: everything may be excluded.
///
/// # Errors
/// Everything that is wrong with the matrix, at least one thing.
pub fn expand(matrix: &Matrix) -> Result<Vec<Cell>, Vec<MatrixError>> {
    let product = check(matrix)?;
    let vectors: Vec<Vec<Value>> =
        matrix.vectors.iter().map(|(_, values)| values.iter().map(Value::from).collect()).collect();
    let excludes: Vec<Filter> = matrix.exclude.iter().map(|entry| Filter::new(matrix, entry)).collect();
    let includes: Vec<(Filter, Vec<(&String, &Json)>)> = matrix
        .include
        .iter()
        .map(|entry| {
            let extras = entry.iter().filter(|(key, _)| matrix.vector(key).is_none()).collect();
            (Filter::new(matrix, entry), extras)
        })
        .collect();
    let mut matched = vec![false; includes.len()];
    let mut cells = Vec::new();
    for index in 0..product {
        let positions = matrix.positions(product, index);
        let combination: Vec<&Value> =
            vectors.iter().zip(&positions).filter_map(|(values, position)| values.get(*position)).collect();
        if excludes.iter().any(|filter| filter.matches(&combination)) {
            continue;
        }
        let mut cell = matrix.cell(&positions);
        for ((filter, extras), matched) in includes.iter().zip(&mut matched) {
            if filter.matches(&combination) {
                *matched = true;
                extras.iter().for_each(|(key, value)| set(&mut cell.values, key, value));
            }
        }
        cells.push(cell);
    }
    let own = matrix.include.iter().zip(matched).filter(|(_, matched)| !matched);
    cells.extend(own.map(|(entry, _)| matrix.own_cell(entry)));
    if cells.len() > MAX_CELLS { Err(vec![MatrixError::TooManyCells { cells: cells.len() }]) } else { Ok(cells) }
}

/// The size of the product, or all that is wrong.
fn check(matrix: &Matrix) -> Result<usize, Vec<MatrixError>> {
    let lists = matrix.include.iter().chain(&matrix.exclude);
    let keys = lists.map(Map::len).fold(matrix.vectors.len(), usize::max);
    if keys > MAX_KEYS {
        return Err(vec![MatrixError::TooManyKeys { keys }]);
    }
    let mut errors = Vec::new();
    if matrix.vectors.is_empty() && matrix.include.is_empty() {
        errors.push(MatrixError::NoVectors);
    }
    errors.extend(duplicates(matrix.vectors.iter().map(|(key, _)| key)));
    for (key, values) in &matrix.vectors {
        if values.is_empty() {
            errors.push(MatrixError::EmptyVector { key: key.clone() });
        }
    }
    for (index, entry) in matrix.exclude.iter().enumerate() {
        if entry.is_empty() {
            errors.push(MatrixError::EmptyExclude { index });
        }
        let unknown = entry.keys().filter(|key| matrix.vector(key).is_none());
        errors.extend(unknown.map(|key| MatrixError::UnknownExcludeKey { index, key: key.clone() }));
        errors.extend(duplicates(entry.keys()));
    }
    for (index, entry) in matrix.include.iter().enumerate() {
        if entry.is_empty() {
            errors.push(MatrixError::EmptyInclude { index });
        }
        errors.extend(duplicates(entry.keys()));
    }
    let product = matrix.vectors.iter().fold(1_usize, |product, (_, values)| product.saturating_mul(values.len()));
    if product > MAX_PRODUCT {
        errors.push(MatrixError::TooManyCells { cells: product });
    }
    let entries = matrix.include.len().saturating_add(matrix.exclude.len());
    if product <= MAX_PRODUCT && product.saturating_mul(entries) > MAX_COMPARISONS {
        errors.push(MatrixError::TooManyEntries { entries, combinations: product });
    }
    // Without a vector there is no combination, not the empty one.
    let product = if matrix.vectors.is_empty() { 0 } else { product };
    if errors.is_empty() { Ok(product) } else { Err(errors) }
}

fn duplicates<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<MatrixError> {
    let mut seen = HashSet::new();
    let twice = keys.filter(|key| !seen.insert(key.to_lowercase()));
    twice.map(|key| MatrixError::DuplicateKey { key: key.clone() }).collect()
}

fn same_key(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

/// Sets a key whatever its case; one that is there keeps its place.
fn set(values: &mut Map<String, Json>, key: &str, value: &Json) {
    let old = values.keys().find(|old| same_key(old, key)).cloned();
    values.insert(old.unwrap_or_else(|| key.to_owned()), value.clone());
}

impl Matrix {
    /// The position of a vector's key, whatever its case.
    fn vector(&self, key: &str) -> Option<usize> {
        self.vectors.iter().position(|(vector, _)| same_key(vector, key))
    }

    /// Which value of each vector the combination of an index has.
    fn positions(&self, product: usize, index: usize) -> Vec<usize> {
        let mut block = product;
        let lengths = self.vectors.iter().map(|(_, values)| values.len());
        lengths
            .map(|length| {
                block /= length;
                index / block % length
            })
            .collect()
    }

    fn cell(&self, positions: &[usize]) -> Cell {
        let pairs = self.vectors.iter().zip(positions);
        let values: Map<String, Json> =
            pairs.filter_map(|((key, values), position)| Some((key.clone(), values.get(*position)?.clone()))).collect();
        Cell { originals: values.len(), values }
    }

    /// The cell that an `include` is by itself: first the keys that are vectors, then the others.
    fn own_cell(&self, entry: &Map<String, Json>) -> Cell {
        let (filters, extras): (Vec<_>, Vec<_>) = entry.iter().partition(|(key, _)| self.vector(key).is_some());
        let pairs = filters.into_iter().chain(extras);
        Cell { values: pairs.map(|(key, value)| (key.clone(), value.clone())).collect(), originals: entry.len() }
    }
}

/// What a combination must have: for each scalar of an entry, the vector, the way to it, and the scalar.
struct Filter {
    leaves: Vec<(usize, Vec<Value>, Value)>,
}

impl Filter {
    /// The filter of an entry: its keys that are vectors.
    fn new(matrix: &Matrix, entry: &Map<String, Json>) -> Self {
        let mut leaves = Vec::new();
        for (key, value) in entry {
            if let Some(vector) = matrix.vector(key) {
                collect_leaves(vector, &mut Vec::new(), Value::from(value), &mut leaves);
            }
        }
        Self { leaves }
    }

    fn matches(&self, combination: &[&Value]) -> bool {
        self.leaves.iter().all(|(vector, path, expected)| {
            let value = combination.get(*vector).map_or(Value::Null, |value| (*value).clone());
            path.iter().fold(value, |value, index| value.index(index)).loosely_equals(expected)
        })
    }
}

fn collect_leaves(vector: usize, path: &mut Vec<Value>, value: Value, leaves: &mut Vec<(usize, Vec<Value>, Value)>) {
    let children: Vec<(Value, Value)> = match &value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (Value::Number(index as f64), item.clone())).collect()
        }
        Value::Object(object) => object_pairs(object),
        _ => return leaves.push((vector, path.clone(), value)),
    };
    for (index, child) in children {
        path.push(index);
        collect_leaves(vector, path, child, leaves);
        path.pop();
    }
}

fn object_pairs(object: &Object) -> Vec<(Value, Value)> {
    object.iter().map(|(key, value)| (Value::from(key), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A matrix as a workflow has it.
    fn matrix(json: &Json) -> Matrix {
        let entries = |key: &str| -> Vec<Map<String, Json>> {
            let entries = json.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
            entries.iter().map(|entry| entry.as_object().unwrap().clone()).collect()
        };
        let vectors =
            json.as_object().unwrap().iter().filter(|(key, _)| !["include", "exclude"].contains(&key.as_str()));
        Matrix {
            vectors: vectors.map(|(key, values)| (key.clone(), values.as_array().unwrap().clone())).collect(),
            include: entries("include"),
            exclude: entries("exclude"),
        }
    }

    /// Each cell as JSON, its originals before a bar.
    #[track_caller]
    fn check(json: &Json, expected: &[&str]) {
        let cells = expand(&matrix(json)).unwrap();
        let shown: Vec<String> = cells
            .iter()
            .map(|cell| {
                let show = |(key, value): (&str, &Json)| format!("{key}={value}");
                let originals: Vec<String> = cell.originals().map(show).collect();
                let extras = cell.values.iter().map(|(key, value)| (key.as_str(), value));
                let extras: Vec<String> = extras.filter(|(key, _)| !cell.is_original(key)).map(show).collect();
                format!("{} | {}", originals.join(" "), extras.join(" ")).replace('"', "").trim().to_owned()
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn check_refused(json: &Json, expected: &[&str]) {
        let errors: Vec<String> = expand(&matrix(json)).unwrap_err().iter().map(MatrixError::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn the_first_key_varies_slowest() {
        check(
            &json!({ "os": ["linux", "windows"], "v": [1, 2, 3] }),
            &[
                "os=linux v=1 |",
                "os=linux v=2 |",
                "os=linux v=3 |",
                "os=windows v=1 |",
                "os=windows v=2 |",
                "os=windows v=3 |",
            ],
        );
    }

    #[test]
    fn exclude_removes_every_combination_that_has_its_values() {
        check(
            &json!({ "os": ["linux", "mac"], "v": [1, 2], "exclude": [{ "os": "mac", "v": 1 }] }),
            &["os=linux v=1 |", "os=linux v=2 |", "os=mac v=2 |"],
        );
        check(
            &json!({ "os": ["linux", "mac"], "v": [1, 2], "exclude": [{ "v": 1 }] }),
            &["os=linux v=2 |", "os=mac v=2 |"],
        );
    }

    #[test]
    fn everything_may_be_excluded() {
        check(&json!({ "os": ["a", "b"], "exclude": [{ "os": "a" }, { "os": "b" }] }), &[]);
    }

    #[test]
    fn filters_compare_loosely() {
        for (value, filter) in [
            (json!("1"), json!(1)),
            (json!(1), json!("1.0")),
            (json!("ABC"), json!("abc")),
            (json!(null), json!("")),
            (json!(0), json!(null)),
            (json!(false), json!("")),
            (json!(true), json!(1)),
        ] {
            check(&json!({ "k": [value, "other"], "exclude": [{ "K": filter }] }), &["k=other |"]);
        }
        check(&json!({ "k": ["true"], "exclude": [{ "k": true }] }), &["k=true |"]);
    }

    #[test]
    fn filters_match_a_part_of_nested_values() {
        let vectors = json!([{ "os": "linux", "tags": ["x", "y"] }, { "os": "mac", "tags": ["x"] }]);
        check(&json!({ "on": vectors, "exclude": [{ "on": { "OS": "Linux" } }] }), &["on={os:mac,tags:[x]} |"]);
        check(&json!({ "on": vectors, "exclude": [{ "on": { "tags": ["x", "y"] } }] }), &["on={os:mac,tags:[x]} |"]);
        check(&json!({ "on": vectors, "exclude": [{ "on": { "tags": ["x"] } }] }), &[]);
        // What a value lacks is null there.
        check(&json!({ "on": vectors, "exclude": [{ "on": { "arch": "" } }] }), &[]);
        // A filter without a scalar asks for nothing.
        check(&json!({ "on": vectors, "exclude": [{ "on": {} }] }), &[]);
        // A scalar is never an object.
        check(&json!({ "on": ["linux"], "exclude": [{ "on": { "os": "linux" } }] }), &["on=linux |"]);
    }

    #[test]
    fn include_adds_to_the_combinations_it_matches() {
        check(
            &json!({
                "os": ["linux", "mac"],
                "v": [1, 2],
                "include": [{ "os": "linux", "fast": true }, { "V": "2", "lts": 1 }],
            }),
            &["os=linux v=1 | fast=true", "os=linux v=2 | fast=true lts=1", "os=mac v=1 |", "os=mac v=2 | lts=1"],
        );
    }

    #[test]
    fn include_without_a_key_of_the_matrix_adds_to_all() {
        check(&json!({ "v": [1, 2], "include": [{ "color": "green" }] }), &["v=1 | color=green", "v=2 | color=green"]);
    }

    #[test]
    fn a_later_include_overwrites_an_earlier_extra_but_never_an_original() {
        check(
            &json!({ "v": [1, 2], "include": [{ "c": "a", "d": 1 }, { "v": 2, "C": "b" }, { "v": "3" }] }),
            &["v=1 | c=a d=1", "v=2 | c=b d=1", "v=3 |"],
        );
    }

    #[test]
    fn the_example_of_githubs_documentation_expands_as_documented() {
        check(
            &json!({
                "fruit": ["apple", "pear"],
                "animal": ["cat", "dog"],
                "include": [
                    { "color": "green" },
                    { "color": "pink", "animal": "cat" },
                    { "fruit": "apple", "shape": "circle" },
                    { "fruit": "banana" },
                    { "fruit": "banana", "animal": "cat" },
                ],
            }),
            &[
                "fruit=apple animal=cat | color=pink shape=circle",
                "fruit=apple animal=dog | color=green shape=circle",
                "fruit=pear animal=cat | color=pink",
                "fruit=pear animal=dog | color=green",
                "fruit=banana |",
                "fruit=banana animal=cat |",
            ],
        );
    }

    #[test]
    fn include_matches_originals_not_extras_and_unmatched_ones_do_not_merge() {
        check(
            &json!({ "v": [1], "include": [{ "v": 2, "x": "a" }, { "x": "b", "v": 2 }, { "x": "a", "y": 1 }] }),
            &["v=1 | x=a y=1", "v=2 x=a |", "v=2 x=b |"],
        );
    }

    #[test]
    fn include_comes_after_exclude() {
        check(
            &json!({ "v": [1, 2], "exclude": [{ "v": 1 }], "include": [{ "v": 1, "back": true }] }),
            &["v=2 |", "v=1 back=true |"],
        );
        check(&json!({ "v": [1], "exclude": [{ "v": 1 }], "include": [{ "x": 1 }] }), &["x=1 |"]);
    }

    #[test]
    fn include_alone_is_one_cell_an_entry() {
        check(&json!({ "include": [{ "b": 1, "a": 2 }, { "b": 1, "a": 2 }] }), &["b=1 a=2 |", "b=1 a=2 |"]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        check_refused(&json!({}), &["the matrix must define at least one key with values, or an `include`"]);
        check_refused(
            &json!({
                "os": [], "v": [1], "V": [2],
                "exclude": [{ "v": 1, "arch": "x" }, {}],
                "include": [{}, { "a": 1, "A": 2 }],
            }),
            &[
                "the matrix key `V` is defined twice: keys ignore case",
                "the matrix key `os` does not contain any values",
                "the matrix `exclude` key `arch` does not match any key of the matrix",
                "a matrix `exclude` entry must not be empty",
                "a matrix `include` entry must not be empty",
                "the matrix key `A` is defined twice: keys ignore case",
            ],
        );
        check_refused(
            &json!({ "include": [{ "a": 1 }], "exclude": [{ "a": 1 }] }),
            &["the matrix `exclude` key `a` does not match any key of the matrix"],
        );
    }

    #[test]
    fn more_than_256_cells_are_refused_after_excluding() {
        let numbers: Vec<usize> = (0..17).collect();
        check_refused(&json!({ "a": numbers, "b": numbers }), &["the matrix makes 289 jobs, and 256 is the most"]);
        let fits = matrix(&json!({ "a": numbers, "b": numbers, "exclude": [{ "a": 0 }, { "b": 0 }] }));
        assert_eq!(expand(&fits).unwrap().len(), 256);
        let many: Vec<usize> = (0..1000).collect();
        check_refused(
            &json!({ "a": many, "b": many, "c": many }),
            &["the matrix makes 1000000000 jobs, and 256 is the most"],
        );
    }

    #[test]
    fn what_would_be_compared_for_minutes_is_refused() {
        let (numbers, excludes) = ((0..256).collect::<Vec<usize>>(), vec![json!({ "a": 999 }); 300]);
        check_refused(
            &json!({ "a": numbers, "b": numbers, "exclude": excludes }),
            &["`include` and `exclude` have 300 entries, too many for 65536 combinations"],
        );
    }

    fn any_matrix() -> impl Strategy<Value = Matrix> {
        let value =
            || prop::sample::select(vec![json!(1), json!("1"), json!("a"), json!("A"), json!(null), json!({"x": 1})]);
        let entry = || prop::collection::btree_map("[abX]", value(), 1..3);
        let vectors = prop::collection::btree_map("[abc]", prop::collection::vec(value(), 1..4), 1..4);
        let entries = || prop::collection::vec(entry(), 0..3);
        (vectors, entries(), entries()).prop_map(|(vectors, include, exclude)| {
            let known: HashSet<String> = vectors.keys().cloned().collect();
            let map = |entry: std::collections::BTreeMap<String, Json>| entry.into_iter().collect::<Map<_, _>>();
            let exclude = exclude.into_iter().map(map).filter(|entry| entry.keys().all(|key| known.contains(key)));
            Matrix {
                exclude: exclude.collect(),
                include: include.into_iter().map(map).collect(),
                vectors: vectors.into_iter().collect(),
            }
        })
    }

    proptest! {
        #[test]
        fn include_never_changes_originals_and_adds_at_most_one_cell_an_entry(matrix in any_matrix()) {
            let bare = expand(&Matrix { include: Vec::new(), ..matrix.clone() }).unwrap();
            let cells = expand(&matrix).unwrap();
            prop_assert!(cells.len() >= bare.len() && cells.len() <= bare.len() + matrix.include.len());
            for (bare, cell) in bare.iter().zip(&cells) {
                prop_assert_eq!(bare.originals().collect::<Vec<_>>(), cell.originals().collect::<Vec<_>>());
            }
        }

        #[test]
        fn exclude_only_takes_away_and_keeps_the_order(matrix in any_matrix()) {
            let all = expand(&Matrix { include: Vec::new(), exclude: Vec::new(), ..matrix.clone() }).unwrap();
            let left = expand(&Matrix { include: Vec::new(), ..matrix }).unwrap();
            let mut rest = all.iter();
            prop_assert!(left.iter().all(|cell| rest.any(|candidate| candidate == cell)));
        }

        #[test]
        fn one_more_exclude_never_adds_a_cell(matrix in any_matrix(), extra in any_matrix()) {
            let bare = Matrix { include: Vec::new(), ..matrix.clone() };
            let known = |entry: &&Map<String, Json>| entry.keys().all(|key| matrix.vector(key).is_some());
            let mut more = bare.clone();
            more.exclude.extend(extra.exclude.iter().filter(known).cloned());
            let (before, after) = (expand(&bare).unwrap(), expand(&more).unwrap());
            let mut rest = before.iter();
            prop_assert!(after.iter().all(|cell| rest.any(|candidate| candidate == cell)));
        }

        #[test]
        fn excluding_a_whole_combination_leaves_none_that_is_loosely_equal(matrix in any_matrix()) {
            let bare = Matrix { include: Vec::new(), exclude: Vec::new(), ..matrix };
            let all = expand(&bare).unwrap();
            let excluded = all[0].values.clone();
            let left = expand(&Matrix { exclude: vec![excluded.clone()], ..bare }).unwrap();
            prop_assert!(left.len() < all.len());
            prop_assert!(left.iter().all(|cell| cell.values != excluded));
        }

        #[test]
        fn include_keeps_every_cell_in_its_place_and_puts_its_own_behind(matrix in any_matrix()) {
            let bare = expand(&Matrix { include: Vec::new(), ..matrix.clone() }).unwrap();
            let cells = expand(&matrix).unwrap();
            for own in &cells[bare.len()..] {
                prop_assert!(own.originals().count() == own.values.len());
                prop_assert!(matrix.include.iter().any(|entry| entry.len() == own.values.len()
                    && entry.iter().all(|(key, value)| own.values.get(key) == Some(value))));
            }
        }

        #[test]
        fn permuting_the_values_permutes_the_cells(matrix in any_matrix(), turn in 0_usize..4) {
            let mut turned = matrix.clone();
            for (_, values) in &mut turned.vectors {
                let by = turn % values.len();
                values.rotate_left(by);
            }
            let texts = |matrix: &Matrix| -> Vec<String> {
                let mut texts: Vec<String> =
                    expand(matrix).unwrap().into_iter().map(|cell| Json::Object(cell.values).to_string()).collect();
                texts.sort();
                texts
            };
            prop_assert_eq!(texts(&matrix), texts(&turned));
        }

        #[test]
        fn cells_are_ordered_by_the_positions_of_their_values(lengths in prop::collection::vec(1_usize..4, 1..4)) {
            let keys = lengths.iter().enumerate();
            let vectors = keys.map(|(key, length)| (format!("k{key}"), (0..*length).map(|value| json!(value)).collect()));
            let cells = expand(&Matrix { vectors: vectors.collect(), ..Matrix::default() }).unwrap();
            let rows: Vec<Vec<u64>> =
                cells.iter().map(|cell| cell.values.values().filter_map(Json::as_u64).collect()).collect();
            prop_assert_eq!(rows.len(), lengths.iter().product::<usize>());
            prop_assert!(rows.is_sorted());
        }
    }
}
