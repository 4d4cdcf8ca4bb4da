//! `/configuration`: what this process was started with, and where each value is from.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::error::PageError;
use super::frame::{Frame, Section, shown};
use super::users::Visitor;
use crate::admin::{Admin, Setting};

#[derive(Template)]
#[template(path = "configuration.html", config = "src/admin/console/askama.toml")]
struct ConfigurationPage {
    frame: Frame,
    version: &'static str,
    /// By the part before the first dot.
    parts: Vec<(String, Vec<Setting>)>,
}

/// All of it.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
) -> Result<HttpResponse, PageError> {
    let mut parts: Vec<(String, Vec<Setting>)> = Vec::new();
    for setting in &admin.settings {
        let part = setting.key.split_once('.').map_or("", |(part, _)| part);
        match parts.iter_mut().find(|(name, _)| name == part) {
            Some((_, settings)) => settings.push(setting.clone()),
            None => parts.push((part.to_owned(), vec![setting.clone()])),
        }
    }
    shown(&ConfigurationPage {
        frame: Frame::new(&admin, &visitor, Section::Configuration, "Configuration"),
        version: env!("CARGO_PKG_VERSION"),
        parts,
    })
}
