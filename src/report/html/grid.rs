//! The jobs at a glance: a table whose axes are the keys of the matrix, or a list where there are fewer than two. Pure.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::parts::{anchor, class, icon, name, word};
use crate::report::run::{Job, Run};
use crate::report::text;

/// Columns that a screen has room for.
const COLUMNS: usize = 8;

/// The jobs as a grid or a list.
pub(super) fn jobs(run: &Run) -> Markup {
    match Axes::of(run) {
        Some(axes) => grid(run, &axes),
        None => list(run),
    }
}

/// Which keys of the matrix go down and which across.
struct Axes {
    down: Vec<String>,
    across: String,
    /// Values of `across`, in the order of the plan.
    columns: Vec<Value>,
    /// Values of `down`, in the order of the plan.
    rows: Vec<Vec<Option<Value>>>,
}

impl Axes {
    /// None where a job has no cell, or fewer than two keys tell jobs apart.
    fn of(run: &Run) -> Option<Self> {
        if run.jobs.iter().any(|job| job.cell.is_empty()) {
            return None;
        }
        let keys = varying(run);
        if keys.len() < 2 {
            return None;
        }
        // The longest axis that fits goes across; the last of those as long, which people write as the inner loop.
        let fits = keys.iter().filter(|(_, values)| values.len() <= COLUMNS);
        let across =
            fits.max_by_key(|(_, values)| values.len()).or_else(|| keys.iter().min_by_key(|(_, v)| v.len()))?;
        let across = across.0.clone();
        let down: Vec<String> = keys.iter().map(|(key, _)| key.clone()).filter(|key| *key != across).collect();
        let columns = distinct(run.jobs.iter().map(|job| job.cell.get(&across).cloned().unwrap_or_default()));
        let rows = distinct(run.jobs.iter().map(|job| row_of(job, &down)));
        Some(Self { down, across, columns, rows })
    }

    /// The jobs of a field. `include` may put several there, or none.
    fn field<'a>(&self, run: &'a Run, row: &[Option<Value>], column: &Value) -> Vec<&'a Job> {
        let is_here =
            |job: &&Job| row_of(job, &self.down) == row && job.cell.get(&self.across).unwrap_or(&Value::Null) == column;
        run.jobs.iter().filter(is_here).collect()
    }
}

fn row_of(job: &Job, down: &[String]) -> Vec<Option<Value>> {
    down.iter().map(|key| job.cell.get(key).cloned()).collect()
}

/// Keys with more than one value, in the order of the matrix.
fn varying(run: &Run) -> Vec<(String, Vec<Option<Value>>)> {
    let keys = distinct(run.jobs.iter().flat_map(|job| job.cell.keys().cloned()));
    let values = |key: &String| distinct(run.jobs.iter().map(|job| job.cell.get(key).cloned()));
    keys.into_iter()
        .map(|key| (values(&key), key))
        .filter(|(values, _)| values.len() > 1)
        .map(|(v, k)| (k, v))
        .collect()
}

/// Each value once, where it is first.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    values.for_each(|value| {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    });
    distinct
}

/// A value of the matrix for people.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => name(text),
        other => name(&other.to_string()),
    }
}

fn grid(run: &Run, axes: &Axes) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Matrix" {
            table class=(format!("grid columns-{}", axes.columns.len())) {
                thead { tr {
                    @for key in &axes.down { th scope="col" { (name(key)) } }
                    @for column in &axes.columns {
                        th scope="col" { small { (name(&axes.across)) } " " (value(column)) }
                    }
                } }
                tbody { @for row in &axes.rows { tr {
                    @for one in row { th scope="row" { (one.as_ref().map(value).unwrap_or_default()) } }
                    @for column in &axes.columns { td { (field(&axes.field(run, row, column))) } }
                } } }
            }
        }
    }
}

fn field(jobs: &[&Job]) -> Markup {
    html! {
        @if jobs.is_empty() { span.none title="not in the matrix" { "–" } }
        @for job in jobs { (cell(job)) }
    }
}

fn cell(job: &Job) -> Markup {
    html! {
        a class=(format!("cell {}", class(job.outcome()))) href=(format!("#{}", anchor(job))) data-job=(anchor(job))
            title=(name(&job.id.0)) {
            span.state { (icon(job.outcome())) (word(job.outcome())) @if let Some(time) = time(job) { span.time { (time) } } }
            @if let Some(reason) = reason(job) { span.why { (reason) } }
        }
    }
}

fn list(run: &Run) -> Markup {
    html! {
        ul.jobs { @for job in &run.jobs { li data-job=(anchor(job)) {
            a class=(format!("cell {}", class(job.outcome()))) href=(format!("#{}", anchor(job))) {
                span.state { (icon(job.outcome())) b { (name(&job.id.0)) } span.word { (word(job.outcome())) }
                    @if let Some(time) = time(job) { span.time { (time) } } }
                @if let Some(reason) = reason(job) { span.why { (reason) } }
            }
        } } }
    }
}

fn time(job: &Job) -> Option<String> {
    job.end.as_ref().filter(|end| end.seconds > 0.0).map(|end| text::duration(end.seconds))
}

/// The first failure, else why it came to no end.
fn reason(job: &Job) -> Option<String> {
    let failure = job.failures().next().map(|trouble| trouble.failure.message.as_str());
    let reason = || job.end.as_ref()?.reason.as_deref().filter(|reason| *reason != word(job.outcome()));
    failure.or_else(reason).map(name)
}

/// How many jobs ended how: the buttons of the filter.
pub(super) fn filter(run: &Run) -> Markup {
    let mut counts: BTreeMap<&str, (usize, &Job)> = BTreeMap::new();
    for job in &run.jobs {
        counts.entry(class(job.outcome())).or_insert((0, job)).0 += 1;
    }
    html! {
        form.filter role="search" aria-label="Filter jobs" hidden {
            input #filter type="search" placeholder="Filter jobs" aria-label="Filter jobs by text" autocomplete="off";
            @if counts.len() > 1 { @for (class, (count, job)) in counts {
                button type="button" aria-pressed="false" data-outcome=(class) {
                    (icon(job.outcome())) (count) " " (word(job.outcome()))
                }
            } }
            output #shown for="filter" {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;
    use crate::event::{Body, JobId};
    use crate::report::testing::at;

    fn run(cells: &[Value]) -> Run {
        let id = |index: usize| JobId(format!("job-{index}"));
        let jobs = (0..cells.len()).map(id).collect();
        let cells = cells.iter().enumerate().map(|(index, cell)| (id(index), cell.as_object().unwrap().clone()));
        let mut run = Run::default();
        let cells = cells.filter(|(_, cell)| !cell.is_empty()).collect();
        run.take(&at(0.0, None, Body::RunStarted { run: "r".into(), version: "1".into(), jobs, cells }));
        run
    }

    #[test]
    fn the_longer_axis_goes_across_and_what_never_changes_is_none() {
        let cell = |os: &str, arch: &str| json!({ "os": os, "arch": arch, "disk": 10 });
        let run = run(&[cell("a", "x"), cell("a", "y"), cell("b", "x"), cell("c", "x")]);
        let axes = Axes::of(&run).unwrap();
        assert_eq!((axes.across.as_str(), axes.down.as_slice()), ("os", ["arch".to_owned()].as_slice()));
        assert_eq!(axes.columns, ["a", "b", "c"].map(Value::from));
        let ids: Vec<_> = axes.field(&run, &axes.rows[0], &Value::from("b")).iter().map(|job| &job.id.0).collect();
        assert_eq!(ids, ["job-2"]);
        assert!(axes.field(&run, &axes.rows[1], &Value::from("c")).is_empty());
        assert!(jobs(&run).into_string().contains("not in the matrix"));
    }

    #[test]
    fn fewer_than_two_axes_are_a_list() {
        for cells in [[json!({}), json!({})], [json!({ "os": "a", "disk": 1 }), json!({ "os": "b", "disk": 1 })]] {
            assert!(Axes::of(&run(&cells)).is_none());
        }
    }
}
