//! Two readers, one document: gives every plain scalar the type that GitHub gives it, and makes sure that both readers saw
//! the same values, so that no message points at another value than the one it is about.

use serde_yaml::Value;

use super::core;
use super::index::{Content, Index};
use super::scalar::Style;
use super::{FileId, Place};
use crate::diagnostic::Diagnostic;

/// Settles the types of a decoded document.
///
/// # Errors
/// The first value that the two readers see differently.
pub(super) fn settle(value: &mut Value, index: &Index, file: FileId) -> Result<(), Diagnostic> {
    node(value, index, 0).map_err(|number| {
        let span = index.node(number).map(|node| node.span.clone()).unwrap_or_default();
        Diagnostic::error("yaml", "this can be read in more than one way")
            .at(Place::Bytes(file, span))
            .help("write it more plainly: in quotes, on one line, or without rare signs of YAML")
    })
}

/// Settles one node; the error is the number of the node that is read differently.
fn node(value: &mut Value, index: &Index, number: usize) -> Result<(), usize> {
    let Some(found) = index.node(number) else {
        return if value.is_null() { Ok(()) } else { Err(number) };
    };
    match (value, &found.content) {
        (Value::Tagged(tagged), _) => node(&mut tagged.value, index, number),
        (Value::Sequence(items), Content::Sequence(numbers)) if items.len() == numbers.len() => {
            items.iter_mut().zip(numbers).try_for_each(|(item, number)| node(item, index, *number))
        }
        (Value::Mapping(mapping), Content::Mapping(pairs)) if mapping.len() == pairs.len() => {
            mapping.iter_mut().zip(pairs.iter()).try_for_each(|((key, item), pair)| {
                let same = key.as_str().is_none_or(|key| key == pair.key);
                if same { node(item, index, pair.value) } else { Err(pair.value) }
            })
        }
        (Value::Sequence(_) | Value::Mapping(_), _) | (_, Content::Sequence(_) | Content::Mapping(_)) => Err(number),
        // What a tag says is the decoder's to know.
        (_, Content::Scalar { tagged: true, .. }) => Ok(()),
        (value, Content::Scalar { style: Style::Plain, text, .. }) => {
            // A text that the decoder read may differ by no more than its type.
            let same = value.as_str().is_none_or(|read| read == text);
            *value = core::value(text);
            if same { Ok(()) } else { Err(number) }
        }
        (value, Content::Scalar { text, .. }) => {
            if value.as_str() == Some(text) {
                Ok(())
            } else {
                Err(number)
            }
        }
    }
}
