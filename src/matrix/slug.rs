//! Job ids: what a cell is called in file names, checks, GitLab jobs and on the command line.
//!
//! An id is made of the cell's original values, so that it stays the same when other cells come and go. Only cells
//! whose values read alike get a digest of them, all of these cells, so that their order does not matter either.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::expand::Cell;
use crate::expression::Value;

/// Short enough for any system that has a limit, with something put before and after it.
const MAX_LENGTH: usize = 60;

/// Characters of a digest: enough for 256 cells that read alike.
const DIGEST_LENGTH: usize = 8;

/// What GitLab does not let a job be called, among the words that an id could be.
const RESERVED: &[&str] = &[
    "cache",
    "default",
    "false",
    "image",
    "include",
    "nil",
    "pages",
    "services",
    "spec",
    "stages",
    "true",
    "types",
    "variables",
    "workflow",
];

/// The ids of cells, in their order: unique, at most 60 of `a-z`, `0-9` and `-`.
#[must_use]
pub fn job_ids(cells: &[Cell]) -> Vec<String> {
    let texts: Vec<Vec<String>> = cells.iter().map(texts).collect();
    let slugs: Vec<String> = texts.iter().map(|texts| slug(texts.iter().map(String::as_str))).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for slug in &slugs {
        *counts.entry(slug).or_default() += 1;
    }
    let mut taken: HashSet<String> = HashSet::new();
    let ids = cells.iter().zip(&slugs).map(|(cell, slug)| {
        let is_alone = counts.get(slug.as_str()) == Some(&1);
        let id = if is_alone { slug.clone() } else { with_suffix(slug, &digest(&identity(cell))) };
        unique(id, &mut taken)
    });
    ids.collect()
}

/// A name made of texts: lowercase letters, digits and single hyphens, at most 60, never empty.
pub fn slug<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let source = texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("-");
    let mut slug = String::new();
    for c in source.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        with_suffix("job", &digest(&source))
    } else if RESERVED.contains(&slug) {
        format!("job-{slug}")
    } else if slug.len() > MAX_LENGTH {
        with_suffix(slug, &digest(&source))
    } else {
        slug.to_owned()
    }
}

/// The scalars of a cell's originals, as GitHub puts them into a job's name: null and empty ones have no part in it.
fn texts(cell: &Cell) -> Vec<String> {
    let mut texts = Vec::new();
    cell.originals().for_each(|(_, value)| collect_texts(value, &mut texts));
    texts
}

fn collect_texts(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Json::Object(map) => map.values().for_each(|item| collect_texts(item, texts)),
        scalar => texts.push(Value::from(scalar).to_string()),
    }
}

/// What tells a cell from others that read alike: its originals, types and all.
fn identity(cell: &Cell) -> String {
    let originals: serde_json::Map<String, Json> =
        cell.originals().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    Json::Object(originals).to_string()
}

fn digest(text: &str) -> String {
    let mut digest = String::new();
    for byte in Sha256::digest(text).iter().take(DIGEST_LENGTH / 2) {
        // Writing to a string does not fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

fn with_suffix(slug: &str, suffix: &str) -> String {
    let room = MAX_LENGTH.saturating_sub(suffix.len() + 1);
    let head = slug.get(..room.min(slug.len())).unwrap_or(slug).trim_end_matches('-');
    format!("{head}-{suffix}")
}

/// Cells that are the same in every value are told apart by their order.
fn unique(id: String, taken: &mut HashSet<String>) -> String {
    let mut candidate = id.clone();
    let mut number = 2_usize;
    while !taken.insert(candidate.clone()) {
        candidate = with_suffix(&id, &number.to_string());
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::super::{Matrix, expand};
    use super::*;

    fn cells(vectors: &[(&str, Json)], include: &[Json]) -> Vec<Cell> {
        let vectors = vectors.iter().map(|(key, values)| ((*key).to_owned(), values.as_array().unwrap().clone()));
        let include = include.iter().map(|entry| entry.as_object().unwrap().clone());
        expand(&Matrix { vectors: vectors.collect(), include: include.collect(), exclude: Vec::new() }).unwrap()
    }

    #[test]
    fn ids_are_the_original_values_in_the_order_of_the_keys() {
        let cells = cells(
            &[("platform", json!(["qemu", "aws"])), ("suite", json!(["bookworm"]))],
            &[
                json!({ "platform": "qemu", "size": "big" }),
                json!({ "suite": "trixie", "platform": "aws", "arch": "arm64" }),
            ],
        );
        assert_eq!(job_ids(&cells), ["qemu-bookworm", "aws-bookworm", "trixie-aws-arm64"]);
    }

    #[test]
    fn any_value_makes_a_readable_id() {
        let values = json!([1.5, true, null, "Ubuntu 24.04 (LTS)", { "os": "linux", "v": [1, 2] }, "--x--"]);
        assert_eq!(
            job_ids(&cells(&[("v", values), ("p", json!(["q"]))], &[])),
            ["1-5-q", "true-q", "q", "ubuntu-24-04-lts-q", "linux-1-2-q", "x-q"]
        );
    }

    #[test]
    fn values_without_a_letter_and_words_that_gitlab_reserves_get_a_name_too() {
        let ids = job_ids(&cells(&[("v", json!(["日本", "한국", "true", "pages", ""]))], &[]));
        assert_eq!(ids, ["job-cf2abf0c", "job-1eb7da6d", "job-true", "job-pages", "job-e3b0c442"]);
    }

    #[test]
    fn long_ids_end_in_a_digest_of_all_of_it() {
        let long = |end: &str| format!("{}{end}", "long-".repeat(20));
        let ids = job_ids(&cells(&[("v", json!([long("a"), long("b")]))], &[]));
        assert!(ids.iter().all(|id| id.len() <= 60 && id.starts_with("long-long-")), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn cells_that_read_alike_are_told_apart_whatever_their_order() {
        let forth = job_ids(&cells(&[("v", json!(["1.0", "1-0", "2"]))], &[]));
        let back = job_ids(&cells(&[("v", json!(["2", "1-0", "1.0"]))], &[]));
        assert_eq!(forth, back.iter().rev().cloned().collect::<Vec<_>>());
        assert!(forth[0].starts_with("1-0-") && forth[1].starts_with("1-0-") && forth[0] != forth[1], "{forth:?}");
        assert_eq!(forth[2], "2");
    }

    #[test]
    fn cells_that_are_the_same_are_numbered() {
        let ids = job_ids(&cells(&[("v", json!(["a", "a", "a"]))], &[]));
        assert_eq!(ids[1], format!("{}-2", ids[0]));
        assert_eq!(ids[2], format!("{}-3", ids[0]));
    }

    proptest! {
        #[test]
        fn ids_are_always_unique_and_valid(values in prop::collection::vec("[aA1.\\- üß日]{0,70}|true|image", 1..40)) {
            let include: Vec<Map<String, Json>> =
                values.iter().map(|value| Map::from_iter([("v".to_owned(), json!(value))])).collect();
            let ids = job_ids(&expand(&Matrix { include, ..Matrix::default() }).unwrap());
            for id in &ids {
                prop_assert!(!id.is_empty() && id.len() <= 60 && !RESERVED.contains(&id.as_str()), "{id}");
                prop_assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
                prop_assert!(!id.starts_with('-') && !id.ends_with('-'), "{id}");
            }
            prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        }

        #[test]
        fn an_id_does_not_depend_on_the_order_of_the_cells_or_on_cells_that_read_otherwise(
            values in prop::collection::btree_set("[a-c1.\\- ]{1,4}", 2..12),
            first in 0_usize..12,
        ) {
            let mut values: Vec<Json> = values.into_iter().map(Json::from).collect();
            let by_value = |values: &[Json]| -> HashMap<String, String> {
                let ids = job_ids(&cells(&[("v", json!(values))], &[]));
                values.iter().map(Json::to_string).zip(ids).collect()
            };
            let before = by_value(&values);
            let turn = first % values.len();
            values.rotate_left(turn);
            prop_assert_eq!(&by_value(&values), &before);
            values.push(json!("zzz"));
            let mut after = by_value(&values);
            after.remove("\"zzz\"");
            prop_assert_eq!(&after, &before);
        }

        #[test]
        fn extras_have_no_part_in_an_id(extra in "[a-z]{1,8}") {
            let with = cells(&[("v", json!(["a", "b"]))], &[json!({ "v": "a", "x": extra })]);
            prop_assert_eq!(job_ids(&with), ["a", "b"]);
        }
    }
}
