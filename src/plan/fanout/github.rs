//! The matrix of a GitHub workflow, for `fromJSON`: a list of exactly the jobs that there are.
//!
//! It is an `include` alone. Vectors would be multiplied and compared by GitHub's loose rules; entries of an `include` that
//! has nothing beside it become jobs one by one, as they are.

use serde_json::{Map, Value as Json, json};

use super::{Runners, TooMany};
use crate::plan::job::{Arch, Job};
use crate::plan::model::Plan;
use crate::secret::{MASK, Redactor};

/// What a matrix may generate for a workflow run [GitHub's usage limits].
const MOST: usize = 256;

/// All outputs of a job have 1 MB together, counted as UTF-16 [GitHub's documentation of outputs]; the rest is for
/// others.
const LONGEST: usize = 900 * 1024;

/// The matrix, and what of it is not as it was in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// One line of JSON.
    pub json: String,
    /// The cells are left out, because the matrix would be more than an output takes.
    pub without_cells: bool,
    /// Keys of cells whose values are not shown, because they hold that of a sensitive variable.
    pub hidden: Vec<String>,
}

/// The matrix of these jobs; `{"include":[]}` for none.
///
/// GitHub does not hand over an output that holds a secret, so a cell's value that does is masked. A leg needs its job's
/// name alone.
///
/// # Errors
/// There are more jobs than GitHub runs.
pub fn matrix(plan: &Plan, jobs: &[Job], runners: &Runners, redactor: &Redactor) -> Result<Matrix, TooMany> {
    if jobs.len() > MOST {
        return Err(TooMany { service: "a workflow of GitHub's", jobs: jobs.len(), most: MOST });
    }
    let mut hidden = Vec::new();
    let mut legs: Vec<Map<String, Json>> = jobs.iter().map(|job| leg(plan, job, runners)).collect();
    for (leg, job) in legs.iter_mut().zip(jobs) {
        leg.insert("cell".to_owned(), Json::Object(cell(job, redactor, &mut hidden)));
    }
    hidden.sort();
    hidden.dedup();
    let mut json = json!({ "include": legs }).to_string();
    let without_cells = size(&json) > LONGEST;
    if without_cells {
        legs.iter_mut().for_each(|leg| drop(leg.remove("cell")));
        json = json!({ "include": legs }).to_string();
    }
    Ok(Matrix { json, without_cells, hidden })
}

fn leg(plan: &Plan, job: &Job, runners: &Runners) -> Map<String, Json> {
    let runs_on = match runners.of(job) {
        [label] => json!(label),
        labels => json!(labels),
    };
    let pairs = [
        ("job", json!(job.id)),
        ("runs-on", runs_on),
        ("platform", json!(plan.platforms.get(&job.id))),
        ("arch", json!(job.platform.arch().map(Arch::debian))),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A job's cell without values that hold a secret.
fn cell(job: &Job, redactor: &Redactor, hidden: &mut Vec<String>) -> Map<String, Json> {
    let mut cell = job.matrix.clone();
    for (key, value) in &mut cell {
        let mut shown = value.clone();
        redactor.redact_json(&mut shown, &[]);
        let text = value.to_string();
        // The second finds what is no text, such as a number.
        if shown != *value || redactor.redact(&text) != text {
            *value = json!(MASK);
            hidden.push(key.clone());
        }
    }
    cell
}

fn size(text: &str) -> usize {
    2 * text.encode_utf16().count()
}
