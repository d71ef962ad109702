//! The example shop: a page for browsers, served beside the marketplace that it buys from.

use axum::{
    Router,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    response::Redirect,
    routing::get,
};
use tonic::service::Routes;

/// Where it is, what it is, and the file itself: a program that is copied elsewhere has it with it.
const FILES: [(&str, &str, &str); 3] = [
    ("/shop/", "text/html; charset=utf-8", include_str!("../../examples/shop/index.html")),
    ("/shop/shop.css", "text/css; charset=utf-8", include_str!("../../examples/shop/shop.css")),
    ("/shop/shop.js", "text/javascript; charset=utf-8", include_str!("../../examples/shop/shop.js")),
];

/// Nothing of other hosts, and nothing that is written into the page: what vendors and customers call things stays text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// These services, and the page at `/shop/`.
pub(super) fn beside(services: Routes) -> Routes {
    let page = Router::new().route("/shop", get(|| async { Redirect::permanent("/shop/") }));
    let page = FILES.into_iter().fold(page, |page, (path, kind, text)| {
        let headers = [
            (CONTENT_TYPE, kind),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CACHE_CONTROL, "no-cache"),
        ];
        page.route(path, get(move || async move { (headers, text) }))
    });
    Routes::from(services.into_axum_router().merge(page))
}
