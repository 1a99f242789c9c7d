//! A unified diff with one line of context, as Python's difflib and its Go port make it: other algorithms choose other lines.

use std::collections::HashMap;

/// Lines that agree: where in the first text, where in the second, how many.
type Block = (usize, usize, usize);

/// Lines that differ (or, when `equal`, agree): of the first text, and of the second.
#[derive(Clone, Copy)]
struct Change {
    equal: bool,
    old: (usize, usize),
    new: (usize, usize),
}

/// The difference between what is expected and what is there; none when there is none.
pub(super) fn unified(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let (old, new) = (lines(expected), lines(actual));
    let mut text = "--- test\n+++ actual\n".to_owned();
    for hunk in hunks(&changes(&old, &new)) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let ranges = (range(first.old.0, last.old.1), range(first.new.0, last.new.1));
        text.push_str(&format!("@@ -{} +{} @@\n", ranges.0, ranges.1));
        for change in &hunk {
            let mut add = |sign: char, lines: &[String]| {
                lines.iter().for_each(|line| text.push_str(&format!("{sign}{line}")));
            };
            if change.equal {
                add(' ', &old[change.old.0..change.old.1]);
            } else {
                add('-', &old[change.old.0..change.old.1]);
                add('+', &new[change.new.0..change.new.1]);
            }
        }
    }
    Some(text)
}

/// Lines with their ends; the last one always gets one, so that a text that ends with one has an empty last line.
fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(|line| format!("{line}\n")).collect()
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        1 => (start + 1).to_string(),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

fn changes(old: &[String], new: &[String]) -> Vec<Change> {
    let mut blocks = Vec::new();
    let places = places(new);
    // The spans that are still to be compared.
    let mut open = vec![((0, old.len()), (0, new.len()))];
    while let Some((left, right)) = open.pop() {
        let (i, j, size) = longest(old, &places, left, right);
        if size > 0 {
            blocks.push((i, j, size));
            open.push(((left.0, i), (right.0, j)));
            open.push(((i + size, left.1), (j + size, right.1)));
        }
    }
    blocks.sort_unstable();
    blocks.push((old.len(), new.len(), 0));
    let (mut changes, mut i, mut j) = (Vec::new(), 0, 0);
    for (old_start, new_start, size) in blocks {
        if i < old_start || j < new_start {
            changes.push(Change { equal: false, old: (i, old_start), new: (j, new_start) });
        }
        (i, j) = (old_start + size, new_start + size);
        if size > 0 {
            changes.push(Change { equal: true, old: (old_start, i), new: (new_start, j) });
        }
    }
    merged(changes)
}

/// Neighbours that agree as one.
fn merged(changes: Vec<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::new();
    for change in changes {
        match merged.last_mut() {
            Some(last) if last.equal && change.equal => (last.old.1, last.new.1) = (change.old.1, change.new.1),
            _ => merged.push(change),
        }
    }
    merged
}

/// Where each line stands. Very common ones of a long text are no anchors.
fn places(new: &[String]) -> HashMap<&str, Vec<usize>> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, line) in new.iter().enumerate() {
        places.entry(line).or_default().push(index);
    }
    if new.len() >= 200 {
        places.retain(|_, found| found.len() <= new.len() / 100 + 1);
    }
    places
}

/// The longest block that agrees, the earliest of several.
fn longest(old: &[String], places: &HashMap<&str, Vec<usize>>, left: (usize, usize), right: (usize, usize)) -> Block {
    let mut best = (left.0, right.0, 0);
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for (i, line) in old.iter().enumerate().take(left.1).skip(left.0) {
        let mut next = HashMap::new();
        let found = places.get(line.as_str()).map(Vec::as_slice).unwrap_or_default();
        for &j in found.iter().filter(|j| (right.0..right.1).contains(*j)) {
            let length = 1 + j.checked_sub(1).and_then(|before| lengths.get(&before)).copied().unwrap_or(0);
            next.insert(j, length);
            if length > best.2 {
                best = (i + 1 - length, j + 1 - length, length);
            }
        }
        lengths = next;
    }
    best
}

/// Changes in groups, each with one line that agrees around it.
fn hunks(changes: &[Change]) -> Vec<Vec<Change>> {
    let mut hunks = Vec::new();
    let mut hunk: Vec<Change> = Vec::new();
    let last = changes.len().saturating_sub(1);
    for (index, change) in changes.iter().enumerate() {
        if !change.equal {
            hunk.push(*change);
            continue;
        }
        let (size, mut before, mut after) = (change.old.1 - change.old.0, *change, *change);
        let kept = size.min(1);
        before.old.0 = change.old.1 - kept;
        before.new.0 = change.new.1 - kept;
        after.old.1 = change.old.0 + kept;
        after.new.1 = change.new.0 + kept;
        if index == 0 {
            hunk.push(before);
        } else if index == last {
            hunk.push(after);
        } else if size > 2 {
            hunk.push(after);
            hunks.push(std::mem::replace(&mut hunk, vec![before]));
        } else {
            hunk.push(*change);
        }
    }
    if hunk.iter().any(|change| !change.equal) {
        hunks.push(hunk);
    }
    hunks
}
