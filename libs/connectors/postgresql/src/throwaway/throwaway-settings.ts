/** Speed over durability, nothing that reaches out: a throwaway is made again rather than recovered. */
export function throwawaySettings(listen: { port: number; socketFolder: string; tcp: boolean }, major: number): Record<string, string> {
  return {
    listen_addresses: listen.tcp ? '127.0.0.1' : '',
    port: String(listen.port),
    unix_socket_directories: listen.socketFolder,
    unix_socket_permissions: '0700',
    fsync: 'off',
    full_page_writes: 'off',
    synchronous_commit: 'off',
    autovacuum: 'off',
    wal_level: 'minimal',
    max_wal_senders: '0',
    archive_mode: 'off',
    // A restored subscriber would receive from its source's publishers, and move their slots on.
    max_logical_replication_workers: '0',
    hot_standby: 'off',
    shared_preload_libraries: '',
    session_preload_libraries: '',
    shared_buffers: '64MB',
    maintenance_work_mem: '64MB',
    max_connections: '20',
    // A restored server may hold prepared transactions; recovery stops when it finds more of them than this.
    max_prepared_transactions: '200',
    max_worker_processes: '4',
    max_parallel_workers_per_gather: '0',
    max_wal_size: '1GB',
    checkpoint_timeout: '1h',
    huge_pages: 'off',
    dynamic_shared_memory_type: 'mmap',
    password_encryption: 'scram-sha-256',
    jit: 'off',
    ssl: 'off',
    logging_collector: 'off',
    log_destination: 'stderr',
    log_statement: 'none',
    // Statements hold rows of the restored database; they must not reach a log.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_timezone: 'UTC',
    timezone: 'UTC',
    // Login triggers of a restored database must not run.
    // Summaries of the log, which a source of incremental backups writes, can't be had with the minimal log of a throwaway.
    ...(major >= 17 ? { event_triggers: 'off', summarize_wal: 'off' } : {}),
    ...(major >= 18 ? { io_method: 'sync' } : {}),
    ...(major >= 14 ? { restart_after_crash: 'off', remove_temp_files_after_crash: 'on' } : {}),
  };
}
