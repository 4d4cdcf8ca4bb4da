//! What looks after our webhook in WAHA's sessions, as configured.

use std::sync::Arc;

use super::Parts;
use super::media::open_apis;
use crate::config::Config;
use crate::registrar::{Manage, Registering, Registrar};
use crate::store::Store;
use crate::waha_api::WahaApi;

impl Parts {
    /// Who looks in a process that works; none if no source says where its WAHA reaches the door.
    pub(super) fn registering(&self, store: &Arc<Store>) -> Registering {
        let mut registrars = registrars(&self.config, &self.apis);
        registrars.retain(|registrar| registrar.manage() != Manage::Off);
        let (store, clock) = (Arc::clone(store), Arc::clone(&self.clock));
        Registering { store, clock, registrars }
    }
}

/// Those of all sources that say where WAHA reaches the door, whether anybody looks by itself or not.
pub fn open_registrars(config: &Config) -> anyhow::Result<Vec<Registrar>> {
    Ok(registrars(config, &open_apis(config)?))
}

fn registrars(config: &Config, apis: &[WahaApi]) -> Vec<Registrar> {
    let mut registrars = Vec::new();
    for source in &config.sources {
        let api = apis.iter().find(|api| api.source() == source.name);
        let (Some(api), Some(options)) = (api, &source.registration) else { continue };
        registrars.push(Registrar::new(api.clone(), options.clone()));
    }
    registrars
}
