// migrate: gives a data directory back to etcd. The backend becomes member/snap/db, a bbolt file; a .snap file and a
// record in the log say that the state is complete up to there, with the membership also in the form that etcd before 3.7
// looks for (MEM-10, RAFT-19); our own file is kept aside, as holdfast.lmdb.kept-{consistent index}.
//
// The renaming of the new file to `db` is what counts: before it the directory is holdfast's, after it either may start
// there (holdfast would take it over again; server/etcd_data.h).
#pragma once

#include "apps/holdfastutl/data_dir.h"

namespace holdfast::utl {

absl::Status migrate_to_etcd(Console& console, const DataDir& dir);

}  // namespace holdfast::utl
