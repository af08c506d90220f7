//! A component that does, on request, what a component must not, and a few things that it may.

#[cfg(target_family = "wasm")]
mod guest {
    use http::StatusCode;
    use spin_sdk::http::{IntoResponse, Request};
    use spin_sdk::key_value::Store;
    use spin_sdk::sqlite::{Connection, Value};
    use spin_sdk::{http_service, variables};

    #[http_service]
    async fn handle(request: Request) -> impl IntoResponse {
        let query = request.uri().query().unwrap_or_default().to_owned();
        match request.uri().path() {
            "/fine" => (StatusCode::OK, "fine".to_owned()),
            "/trap" => panic!("on purpose"),
            "/loop" => forever(),
            "/rest" => rest().await,
            "/eat" => eat(),
            "/sql" => answer(sql().await),
            "/undone" => answer(undone().await),
            "/other-database" => answer(Connection::open("other").await.map(|_| String::new())),
            "/key-value" => answer(key_value().await),
            "/variable" => answer(variables::get("greeting").await),
            "/no-variable" => answer(variables::get("secret").await),
            "/fetch" => answer(spin_sdk::http::get(query).await.map(|r| r.status().to_string())),
            _ => (StatusCode::NOT_FOUND, String::new()),
        }
    }

    fn answer<E: std::fmt::Debug>(outcome: Result<String, E>) -> (StatusCode, String) {
        match outcome {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")),
        }
    }

    fn forever() -> ! {
        let mut count = 0_u64;
        loop {
            count = std::hint::black_box(count.wrapping_add(1));
        }
    }

    /// Waits a little, as a component does that asks somebody else.
    async fn rest() -> (StatusCode, String) {
        spin_sdk::wasip3::clocks::monotonic_clock::wait_for(200_000_000).await;
        (StatusCode::OK, "rested".to_owned())
    }

    fn eat() -> ! {
        let mut eaten: Vec<Vec<u8>> = Vec::new();
        loop {
            eaten.push(vec![1; 1 << 20]);
            std::hint::black_box(&eaten);
        }
    }

    /// Every asynchronous function of `spin:sqlite`.
    async fn sql() -> Result<String, spin_sdk::sqlite::Error> {
        let connection = Connection::open("main").await?;
        connection
            .execute("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b)", [])
            .await?
            .collect()
            .await?;
        for n in 0..200_i64 {
            let values = [Value::Integer(n), Value::Blob(vec![1, 2]), Value::Real(0.5), Value::Null];
            let one = values[usize::try_from(n).unwrap_or(0) % 4].clone();
            connection.execute("INSERT INTO t (b) VALUES (?1)", [one]).await?.collect().await?;
        }
        let (rowid, changes) = (connection.last_insert_rowid().await, connection.changes().await);
        let rows = connection.execute("SELECT a, b FROM t ORDER BY a", []).await?.collect().await?;
        Ok(format!("{} rows, last {rowid}, changed {changes}", rows.len()))
    }

    /// Begins a transaction, writes, and goes away without a word.
    async fn undone() -> Result<String, spin_sdk::sqlite::Error> {
        {
            let connection = Connection::open("main").await?;
            connection.execute("CREATE TABLE IF NOT EXISTS u (a)", []).await?.collect().await?;
            connection.execute("BEGIN IMMEDIATE", []).await?.collect().await?;
            connection.execute("INSERT INTO u VALUES (1)", []).await?.collect().await?;
        }
        let connection = Connection::open("main").await?;
        let rows = connection.execute("SELECT count(*) FROM u", []).await?.collect().await?;
        Ok(format!("{:?}", rows[0].get::<i64>(0)))
    }

    async fn key_value() -> Result<String, spin_sdk::key_value::Error> {
        let store = Store::open("default").await?;
        store.set("a", b"1").await?;
        store.set("b", b"2").await?;
        store.delete("a").await?;
        let (a, b) = (store.exists("a").await?, store.get("b").await?);
        Ok(format!("{a} {b:?}"))
    }
}
