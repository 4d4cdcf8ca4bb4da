//! Secrets and files: what is shown of them is that they are there.

use secrecy::SecretString;

use super::Reader;

/// What is shown in the place of a secret.
const HIDDEN: &str = "(hidden)";

impl Reader {
    /// A secret, or the file that holds it.
    pub(in crate::config) fn secret(&mut self, key: &str, file_key: &str) -> Option<SecretString> {
        let told = self.optional_text(key).map(SecretString::from);
        let secret: Option<SecretString> = match self.optional_text(file_key) {
            Some(file) => self.file(file_key, &file).map(|text| text.trim().to_owned().into()),
            None => told,
        };
        self.show(key, if secret.is_some() { HIDDEN } else { "\"\"" });
        secret
    }

    /// One secret, and the lines of a file.
    pub(in crate::config) fn secret_lines(
        &mut self,
        key: &str,
        file_key: &str,
    ) -> Vec<SecretString> {
        let mut secrets: Vec<String> = self.optional_text(key).into_iter().collect();
        secrets.extend(self.lines(file_key));
        self.show(key, format_args!("{} {HIDDEN}", secrets.len()));
        secrets.into_iter().map(SecretString::from).collect()
    }

    /// Secrets: a list, and the lines of a file.
    pub(in crate::config) fn secrets(&mut self, key: &str, file_key: &str) -> Vec<SecretString> {
        let mut secrets = self.list(key);
        secrets.extend(self.lines(file_key));
        self.show(key, format_args!("{} {HIDDEN}", secrets.len()));
        secrets.into_iter().map(SecretString::from).collect()
    }

    /// URLs that may hold passwords: a list, or the lines of a file.
    pub(in crate::config) fn secret_urls(
        &mut self,
        key: &str,
        file_key: &str,
    ) -> Vec<SecretString> {
        let told = self.list(key);
        let has_file = self.optional_text(file_key).is_some();
        let urls = if has_file { self.lines(file_key) } else { told };
        let shown: Vec<String> = urls.iter().map(|url| without_password(url)).collect();
        self.show(key, format_args!("{shown:?}"));
        urls.into_iter().map(SecretString::from).collect()
    }

    /// The lines of the file that a key names, without empty ones; none if it names no file.
    fn lines(&mut self, file_key: &str) -> Vec<String> {
        let file = self.optional_text(file_key);
        let text = file.and_then(|file| self.file(file_key, &file)).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// The text of a file that a key names.
    pub(in crate::config) fn file(&mut self, key: &str, path: &str) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) => {
                self.check(key, false, format!("{path} can't be read: {error}"));
                None
            }
        }
    }
}

/// A URL whose user, password and parameters are hidden.
pub fn without_password(url: &str) -> String {
    let url = url.split('?').next().unwrap_or(url);
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        _ => url.to_owned(),
    }
}
