//! Reads `/metrics` of a process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use waha_ingest::http_client;

use crate::process::Setting;

/// One answer of `/metrics`.
pub struct Scrape(String);

/// A sample: name, labels, value.
type Sample<'a> = (&'a str, BTreeMap<&'a str, &'a str>, f64);

impl Scrape {
    pub async fn of(setting: &Setting<'_>) -> Self {
        Self::ask(setting, None).await.unwrap()
    }

    /// None if there is no answer within the limit.
    pub async fn try_of(setting: &Setting<'_>, limit: Duration) -> Option<Self> {
        Self::ask(setting, Some(limit)).await.ok()
    }

    async fn ask(setting: &Setting<'_>, limit: Option<Duration>) -> reqwest::Result<Self> {
        let url = format!("http://127.0.0.1:{}/metrics", setting.admin_port);
        let mut client = http_client::plain();
        if let Some(limit) = limit {
            client = client.timeout(limit);
        }
        let response = client.build()?.get(url).send().await?.error_for_status()?;
        response.text().await.map(Self)
    }

    fn samples(&self) -> impl Iterator<Item = Sample<'_>> {
        self.0.lines().filter(|line| !line.starts_with('#')).map(sample)
    }

    /// Adds up all samples of a name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has_all = |of: &BTreeMap<_, _>| labels.iter().all(|(k, v)| of.get(k) == Some(v));
        let samples = self.samples().filter(|(this, of, _)| *this == name && has_all(of));
        samples.map(|(_, _, value)| value).sum()
    }

    /// The value of one sample; none if there is no such series.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().copied().collect();
        self.samples().find(|(this, of, _)| *this == name && *of == labels).map(|it| it.2)
    }

    /// Names and labels of all samples.
    pub fn series(&self) -> BTreeSet<String> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    }

    /// Type and labels of each of our families.
    pub fn families(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let ours = types.filter_map(|line| line.split_once(' '));
        ours.filter(|(name, _)| name.starts_with("waha_ingest_"))
            .map(|(name, kind)| (name.to_owned(), (kind.to_owned(), self.labels(name, kind))))
            .collect()
    }

    fn labels(&self, name: &str, kind: &str) -> BTreeSet<String> {
        let name = if kind == "histogram" { format!("{name}_sum") } else { name.to_owned() };
        let these = self.samples().filter(|(this, _, _)| *this == name);
        these.flat_map(|(_, labels, _)| labels.into_keys().map(str::to_owned)).collect()
    }
}

/// Our label values hold no quotes and no commas.
fn sample(line: &str) -> Sample<'_> {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let pairs = labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    let labels = pairs.map(|(label, value)| (label, value.trim_matches('"'))).collect();
    (name, labels, value.parse().unwrap())
}
