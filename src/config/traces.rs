//! `[traces]`: where spans go. The variables of OpenTelemetry's own specification are honoured where
//! the configuration says nothing.

use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;
use super::without_password;
use crate::trace::TracesConfig;

/// The collector's address, to which `/v1/traces` is added.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What the spans' service is called.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

pub(super) fn read(reader: &mut Reader) -> TracesConfig {
    let endpoint = reader.optional_text("traces.endpoint").or_else(|| reader.standard(ENDPOINT));
    if let Some(endpoint) = &endpoint {
        let is_http = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        reader.check("traces.endpoint", is_http, "must start with http:// or https://");
        reader.show("traces.endpoint", format_args!("{:?}", without_password(endpoint)));
    }
    let ratio = reader.share("traces.ratio");
    let told = reader.text("traces.service_name");
    let service_name = reader.standard(SERVICE_NAME).unwrap_or(told);
    reader.show("traces.service_name", format_args!("{service_name:?}"));
    TracesConfig { endpoint, headers: headers(reader), ratio, service_name }
}

fn headers(reader: &mut Reader) -> Vec<(String, SecretString)> {
    let lines = reader.secrets("traces.headers", "traces.headers_file");
    let split = |line: &SecretString| {
        let (name, value) = line.expose_secret().split_once('=')?;
        Some((name.trim().to_owned(), SecretString::from(value.trim().to_owned())))
    };
    let headers: Vec<_> = lines.iter().filter_map(split).collect();
    reader.check("traces.headers", headers.len() == lines.len(), "must be NAME=VALUE");
    headers
}
