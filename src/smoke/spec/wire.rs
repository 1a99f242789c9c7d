//! How assertions travel inside of a job.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::{Assertion, Kind, table};
use crate::event::Place;

/// An [`Assertion`] whose property may be any text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    property: String,
    expected: Value,
    place: Place,
}

// By hand, because a property is one of the names that the table has.
impl<'de> Deserialize<'de> for Assertion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { property, expected, place } = Written::deserialize(deserializer)?;
        let mut all = Kind::ALL.into_iter().flat_map(|kind| table::of(kind).assertions).map(|one| one.property);
        match all.find(|known| *known == property) {
            Some(property) => Ok(Self { property, expected, place }),
            None => Err(de::Error::custom(format!("no resource has a property `{property}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::smoke::spec::{Resource, parse};

    #[test]
    fn a_resource_survives_the_wire() {
        let text = "file:\n  /etc/x:\n    exists: true\n    linked-to: /y\n    meta: { severity: warn }\nport:\n  tcp:80:\n    listening: true\n";
        let (file, ..) = parse("goss.yaml", text);
        let json = serde_json::to_string(&file.resources).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Resource>>(&json).unwrap(), file.resources);
        assert!(serde_json::from_str::<Vec<Resource>>(&json.replace("linkedto", "linkedfrom")).is_err(), "{json}");
    }
}
