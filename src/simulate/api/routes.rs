//! The endpoints.

use actix_web::web::{self, ServiceConfig};

use super::{chats, contacts, files, gate, groups, lids, messages, server, sessions};

/// All of them. What is more special stands above what would take it, too.
pub(super) fn configure(app: &mut ServiceConfig) {
    app.configure(of_server)
        .configure(of_sessions)
        .configure(of_files)
        .configure(of_people)
        .configure(of_chats)
        .default_service(web::to(gate::no_route));
}

fn of_server(app: &mut ServiceConfig) {
    app.route("/ping", web::get().to(server::ping))
        .route("/health", web::get().to(server::health))
        .route("/metrics", web::get().to(server::metrics))
        .route("/api/version", web::get().to(server::version))
        .route("/api/server/version", web::get().to(server::version))
        .route("/api/server/status", web::get().to(server::status))
        .route("/api/server/environment", web::get().to(server::environment));
}

fn of_sessions(app: &mut ServiceConfig) {
    app.route("/api/sessions", web::get().to(sessions::list))
        .route("/api/sessions/{name}", web::get().to(sessions::get))
        .route("/api/sessions/{name}", web::put().to(sessions::update))
        .route("/api/sessions/{name}/me", web::get().to(sessions::me))
        .route("/api/sessions/{name}/start", web::post().to(sessions::start))
        .route("/api/sessions/{name}/stop", web::post().to(sessions::stop))
        .route("/api/sessions/{name}/restart", web::post().to(sessions::restart));
}

fn of_files(app: &mut ServiceConfig) {
    for path in
        ["/api/files/{session}/{file}", "/api/s3/waha/{session}/{file}", "/waha/{session}/{file}"]
    {
        app.service(
            web::resource(path).route(web::get().to(files::get)).route(web::head().to(files::get)),
        );
    }
}

fn of_people(app: &mut ServiceConfig) {
    app.route("/api/contacts/all", web::get().to(contacts::all))
        .route("/api/contacts/check-exists", web::get().to(contacts::check_exists))
        .route("/api/contacts", web::get().to(contacts::of_query))
        .route("/api/{session}/contacts/{id}", web::get().to(contacts::of_path))
        .route("/api/{session}/lids", web::get().to(lids::list))
        .route("/api/{session}/lids/count", web::get().to(lids::count))
        .route("/api/{session}/lids/pn/{phone}", web::get().to(lids::of_phone))
        .route("/api/{session}/lids/{lid}", web::get().to(lids::get));
}

fn of_chats(app: &mut ServiceConfig) {
    app.route("/api/{session}/chats", web::get().to(chats::list))
        .route("/api/{session}/chats/overview", web::get().to(chats::overview))
        .route("/api/{session}/chats/{chat}/messages", web::get().to(messages::list))
        .route("/api/{session}/chats/{chat}/messages/{id}", web::get().to(messages::get))
        .route("/api/{session}/groups", web::get().to(groups::list))
        .route("/api/{session}/groups/count", web::get().to(groups::count))
        .route("/api/{session}/groups/refresh", web::post().to(groups::refresh))
        .route("/api/{session}/groups/{id}", web::get().to(groups::get))
        .route("/api/{session}/groups/{id}/participants/v2", web::get().to(groups::participants));
}
