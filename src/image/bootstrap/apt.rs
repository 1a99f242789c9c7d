//! The host's apt settings that a build needs to reach its mirror. Pure.

/// A setting of apt: its name and its value.
pub(super) type Setting = (String, String);

/// Picks from `apt-config dump` what says how to reach a mirror: proxies, TLS, and whether an old archive is accepted.
/// Proxies that only the environment names are added in apt's words.
pub(super) fn settings(dump: &str, environment: impl Fn(&str) -> Option<String>) -> Vec<Setting> {
    let mut settings: Vec<Setting> = dump.lines().filter_map(parse_line).filter(|(name, _)| is_needed(name)).collect();
    for (scheme, variable) in [("http", "http_proxy"), ("https", "https_proxy")] {
        let name = format!("Acquire::{scheme}::Proxy");
        let known = settings.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name));
        if !known && let Some(value) = environment(variable).filter(|value| !value.is_empty()) {
            settings.push((name, value));
        }
    }
    settings
}

/// `Name "value";`. Lists (`Name:: "value";`) hold nothing of interest.
fn parse_line(line: &str) -> Option<Setting> {
    let (name, value) = line.trim().strip_suffix("\";")?.split_once(" \"")?;
    (!name.ends_with(':') && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

fn is_needed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // A program of the host that finds a proxy is not there in the guest.
    let scheme = ["acquire::http::", "acquire::https::"].iter().any(|prefix| name.starts_with(prefix))
        && !name.contains("proxy-auto-detect");
    let exact = [
        "acquire::check-valid-until",
        "acquire::check-date",
        "acquire::max-validtime",
        "acquire::forceipv4",
        "acquire::forceipv6",
    ];
    scheme || exact.contains(&name.as_str())
}

/// The settings as apt's configuration file.
pub(super) fn conf(settings: &[Setting]) -> String {
    settings.iter().map(|(name, value)| format!("{name} \"{value}\";\n")).collect()
}

/// Whether a setting names a file of TLS keys on the host.
pub(super) fn is_tls_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("acquire::https::")
        && ["cainfo", "capath", "sslcert", "sslkey", "crlfile"].iter().any(|key| name.ends_with(key))
}

/// The file of certificate authorities that the host's apt uses for every host.
pub(super) fn ca_info(settings: &[Setting]) -> Option<&str> {
    let setting = settings.iter().find(|(name, _)| name.eq_ignore_ascii_case("Acquire::https::CaInfo"));
    setting.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "APT \"\";\nAcquire \"\";\nAcquire::http \"\";\nAcquire::http::Proxy \"http://proxy.test:3142\";\n\
        Acquire::http::Proxy::direct.test \"DIRECT\";\nAcquire::https::CaInfo \"/etc/ssl/corp.pem\";\n\
        Acquire::http::Proxy-Auto-Detect \"/usr/bin/auto-apt-proxy\";\nAcquire::Check-Valid-Until \"false\";\n\
        Acquire::Languages \"\";\nAcquire::Languages:: \"none\";\nAcquire::GzipIndexes \"true\";\n\
        DPkg::Post-Invoke:: \"rm -f /var/cache/apt/archives/*.deb || true\";\n";

    fn set(name: &str, value: &str) -> Setting {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn only_what_leads_to_a_mirror_is_taken_from_the_host() {
        assert_eq!(
            settings(DUMP, |_| None),
            [
                set("Acquire::http::Proxy", "http://proxy.test:3142"),
                set("Acquire::http::Proxy::direct.test", "DIRECT"),
                set("Acquire::https::CaInfo", "/etc/ssl/corp.pem"),
                set("Acquire::Check-Valid-Until", "false"),
            ]
        );
        assert_eq!(ca_info(&settings(DUMP, |_| None)), Some("/etc/ssl/corp.pem"));
    }

    #[test]
    fn a_proxy_of_the_environment_counts_where_apt_names_none() {
        let environment = |name: &str| (name == "http_proxy").then(|| "http://env.test:1".to_owned());
        assert_eq!(settings("", environment), [set("Acquire::http::Proxy", "http://env.test:1")]);
        assert!(!settings(DUMP, environment).iter().any(|(_, value)| value.contains("env.test")));
    }

    #[test]
    fn settings_are_written_as_apt_reads_them() {
        assert_eq!(conf(&[set("Acquire::http::Proxy", "http://p.test")]), "Acquire::http::Proxy \"http://p.test\";\n");
    }
}
