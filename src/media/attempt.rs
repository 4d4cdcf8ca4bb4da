//! One try to get a file: by the link that was told, and if that is dead, by asking WAHA for the message again.

use std::time::Duration;

use super::asking::Place;
use super::fetcher::Fetcher;
use super::incoming::{Incoming, SeenFile};
use super::problem::FetchProblem;
use super::storage::{StorageError, Upload};
use crate::store::operations::attachments::{AttachmentTask, StoredFile};
use crate::waha_api::{FileError, FileStream, MessageAddress, MessageFile, WahaApi, WahaError};

/// How long a try may take: 100 MB at a megabit a second, and asking again before.
const TRY_MAX: Duration = Duration::from_mins(20);
/// The type of a page.
const PAGE: &str = "text/html";
/// WAHA turns some stickers into another form, so their hash is none of the file that it gives.
const TURNED: &str = "sticker";

impl Fetcher {
    /// Gets and stores the file of a task, which has a place already if WAHA is to load it again.
    pub(super) async fn attempt(
        &self,
        task: &AttachmentTask,
        place: Option<Place>,
    ) -> Result<StoredFile, FetchProblem> {
        let fetched = tokio::time::timeout(TRY_MAX, self.fetch(task, place)).await;
        fetched.unwrap_or(Err(FetchProblem::TooSlow))
    }

    async fn fetch(
        &self,
        task: &AttachmentTask,
        place: Option<Place>,
    ) -> Result<StoredFile, FetchProblem> {
        if task.row.message_row_id.is_none() {
            return Err(FetchProblem::MessageDeleted);
        }
        let api = self.apis.get(&task.place.source).ok_or(FetchProblem::NoSource)?;
        let told = MessageFile {
            url: task.place.media_url.clone(),
            sha256: task.row.told_sha256.clone(),
            ..MessageFile::default()
        };
        if told.url.is_some() {
            match self.from_link(api, task, &told).await {
                // Deleted since: WAHA keeps files for three minutes.
                Err(FetchProblem::Waha(WahaError::NotFound(_))) => {}
                ended => return ended,
            }
        }
        let place = place.unwrap_or_else(|| self.asking.place(task.row.session_id));
        let turn = place.turn().await;
        let loaded = self.loaded_again(api, task).await?;
        drop((turn, place));
        match self.from_link(api, task, &loaded).await {
            // Deleted between the two, as by a start of WAHA: it can be loaded once more.
            Err(FetchProblem::Waha(WahaError::NotFound(_))) => Err(FetchProblem::NotLoaded),
            ended => ended,
        }
    }

    /// Has WAHA load the file from WhatsApp, whose turn it is, unless it has it still: its answer tells where.
    async fn loaded_again(
        &self,
        api: &WahaApi,
        task: &AttachmentTask,
    ) -> Result<MessageFile, FetchProblem> {
        let address = MessageAddress {
            session: &task.place.session,
            engine: task.place.engine.as_deref(),
            chat: &task.place.chat,
            waha_id: task.place.waha_id.as_deref().unwrap_or_default(),
            bare_id: &task.row.message_id,
        };
        let mut loaded = api.load_file(address).await?;
        if loaded.is_anothers {
            return Err(FetchProblem::WrongMessage);
        }
        match loaded.error {
            Some(FileError::Gone) => return Err(FetchProblem::Gone),
            Some(FileError::Failed) => return Err(FetchProblem::NotLoaded),
            None if !loaded.is_there => return Err(FetchProblem::Revoked),
            None if loaded.url.is_none() => return Err(FetchProblem::SwitchedOff),
            None => {}
        }
        // What the message's own webhook told comes first.
        loaded.sha256 = task.row.told_sha256.clone().or(loaded.sha256);
        Ok(loaded)
    }

    async fn from_link(
        &self,
        api: &WahaApi,
        task: &AttachmentTask,
        told: &MessageFile,
    ) -> Result<StoredFile, FetchProblem> {
        let link = api.link(told.url.as_deref().unwrap_or_default(), &task.place.session)?;
        let mut stream = api.file(&link).await?;
        if stream.announced_bytes().is_some_and(|bytes| bytes > self.limits.bytes_max) {
            return Err(FetchProblem::TooLarge);
        }
        let key = task.storage_key();
        let mut upload = self.storage.upload(&key);
        let is_turned = task.place.kind.as_deref() == Some(TURNED);
        let hash = told.sha256.as_deref().filter(|_| !is_turned);
        let type_told = task.row.told_mime_type.as_deref();
        let seen = match self.copy(&mut stream, &mut upload, type_told, hash).await {
            Ok(seen) => seen,
            Err(problem) => {
                upload.abort().await;
                return Err(problem);
            }
        };
        upload.finish().await.map_err(|error| stored(&error))?;
        Ok(StoredFile {
            mime_type: seen.mime_type.map(str::to_owned),
            size_bytes: seen.size_bytes,
            sha256: seen.sha256,
            storage_key: key,
            file_name: told.file_name.clone(),
        })
    }

    /// Writes what comes as it comes, unless it is a page where none was told; `hash`: what it must be.
    async fn copy(
        &self,
        stream: &mut FileStream,
        upload: &mut Upload,
        type_told: Option<&str>,
        hash: Option<&str>,
    ) -> Result<SeenFile, FetchProblem> {
        refuse_page(type_told, stream.told_type())?;
        let mut incoming = Incoming::new(self.limits.bytes_max);
        while let Some(bytes) = stream.next().await.map_err(|_| FetchProblem::CutOff)? {
            incoming.look(&bytes)?;
            upload.write(bytes).await.map_err(|error| stored(&error))?;
        }
        let seen = incoming.end(hash)?;
        refuse_page(type_told, seen.mime_type)?;
        Ok(seen)
    }
}

fn stored(error: &StorageError) -> FetchProblem {
    FetchProblem::Storage(error.to_string())
}

/// A page in place of a picture is no file of anybody: a proxy's, which asks for a password or says that it is sorry.
fn refuse_page(type_told: Option<&str>, type_found: Option<&str>) -> Result<(), FetchProblem> {
    let is_shown =
        |told: &str| ["image/", "video/", "audio/"].iter().any(|it| told.starts_with(it));
    if type_told.is_some_and(is_shown) && type_found.is_some_and(|found| found.starts_with(PAGE)) {
        return Err(WahaError::Unusable("a page in place of a file").into());
    }
    Ok(())
}
