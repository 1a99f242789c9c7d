//! Answers by request, and how a property is made of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ask::{Answer, Request};
use super::{accounts, files, network, packages, services, system};
use crate::smoke::finding::Actual;
use crate::smoke::spec::{Kind, Resource};

/// A property, or goss's error.
pub(super) type Property = Result<Actual, String>;

/// All that a machine answered.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) answers: BTreeMap<Request, Answer>,
}

impl Facts {
    /// The answer to a request, or why there is none.
    pub(super) fn of(&self, request: &Request) -> Result<&Answer, String> {
        let answer = self.answers.get(request).ok_or_else(|| "the machine was not asked".to_owned())?;
        answer.failure.as_ref().map_or(Ok(answer), |failure| Err(failure.clone()))
    }

    /// One frame of the answer to a request, as text.
    pub(super) fn text(&self, request: &Request, frame: &str) -> Result<String, String> {
        self.of(request)?.text(frame).ok_or_else(malformed)
    }
}

/// The error for an answer without what has to be in it.
pub(super) fn malformed() -> String {
    "the machine gave a malformed answer".to_owned()
}

/// The error for an attribute that the type does not have.
pub(super) fn unknown(property: &str) -> Property {
    Err(format!("`{property}` is not an attribute of this resource"))
}

pub(super) fn value(value: impl Into<Value>) -> Property {
    Ok(Actual::Value(value.into()))
}

/// What the script is asked for a resource, the most special last: its time is the resource's.
pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    match resource.kind {
        Kind::File => files::requests(resource),
        Kind::User | Kind::Group => accounts::requests(resource),
        Kind::Package => packages::requests(resource),
        Kind::Service => services::requests(resource),
        Kind::Port | Kind::Interface => network::requests(resource),
        Kind::Process | Kind::Mount | Kind::KernelParam => system::requests(resource),
        Kind::Http => super::http::requests(resource),
        Kind::Addr | Kind::Command | Kind::Dns | Kind::Matching => Vec::new(),
    }
}

/// One property of a resource that the script was asked for.
pub(super) fn property(resource: &Resource, property: &str, facts: &Facts) -> Property {
    match resource.kind {
        Kind::File => files::property(resource, property, facts),
        Kind::User => accounts::user(resource.object(), property, facts),
        Kind::Group => accounts::group(resource.object(), property, facts),
        Kind::Package => packages::property(resource.object(), property, facts),
        Kind::Service => services::property(resource, property, facts),
        Kind::Port => network::port(resource.object(), property, facts),
        Kind::Interface => network::interface(resource.object(), property, facts),
        Kind::Process => system::process(resource.object(), property, facts),
        Kind::Mount => system::mount(resource.object(), property, facts),
        Kind::KernelParam => system::kernel_param(resource.object(), property, facts),
        Kind::Addr | Kind::Command | Kind::Dns | Kind::Http | Kind::Matching => unknown(property),
    }
}
