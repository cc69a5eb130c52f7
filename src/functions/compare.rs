//! The six comparisons of every type that has an order. SQLite's own operators mean the same on the
//! storage forms, with the type's collation where it names one (the lowering adds it).

use super::{Function, Operator, native, operator};
use crate::types::{
    Oid, Type, boolean, bytea, date, float, integer, interval, json, network, numeric, oid, text, time,
    timestamp, timetz, uuid,
};

const fn comparisons(args: &'static [&'static Type], oids: [(Oid, Oid, &'static str); 6]) -> [Operator; 6] {
    const fn function(
        entry: (Oid, Oid, &'static str),
        args: &'static [&'static Type],
        template: &'static str,
    ) -> Function {
        native(entry.1, entry.2, args, &boolean::BOOL, template)
    }
    [
        operator(oids[0].0, "=", function(oids[0], args, "{0} = {1}")),
        operator(oids[1].0, "<>", function(oids[1], args, "{0} <> {1}")),
        operator(oids[2].0, "<", function(oids[2], args, "{0} < {1}")),
        operator(oids[3].0, "<=", function(oids[3], args, "{0} <= {1}")),
        operator(oids[4].0, ">", function(oids[4], args, "{0} > {1}")),
        operator(oids[5].0, ">=", function(oids[5], args, "{0} >= {1}")),
    ]
}

/// By type: =, <>, <, <=, >, >=, with the oids of operator and function.
pub(super) static COMPARISONS: &[&[Operator; 6]] = &[
    &comparisons(
        &[&boolean::BOOL, &boolean::BOOL],
        [
            (91, 60, "booleq"),
            (85, 84, "boolne"),
            (58, 56, "boollt"),
            (1694, 1691, "boolle"),
            (59, 57, "boolgt"),
            (1695, 1692, "boolge"),
        ],
    ),
    &comparisons(
        &[&bytea::BYTEA, &bytea::BYTEA],
        [
            (1955, 1948, "byteaeq"),
            (1956, 1953, "byteane"),
            (1957, 1949, "bytealt"),
            (1958, 1950, "byteale"),
            (1959, 1951, "byteagt"),
            (1960, 1952, "byteage"),
        ],
    ),
    &comparisons(
        &[&text::CHAR, &text::CHAR],
        [
            (92, 61, "chareq"),
            (630, 70, "charne"),
            (631, 1246, "charlt"),
            (632, 72, "charle"),
            (633, 73, "chargt"),
            (634, 74, "charge"),
        ],
    ),
    &comparisons(
        &[&text::NAME, &text::NAME],
        [
            (93, 62, "nameeq"),
            (643, 659, "namene"),
            (660, 655, "namelt"),
            (661, 656, "namele"),
            (662, 657, "namegt"),
            (663, 658, "namege"),
        ],
    ),
    &comparisons(
        &[&integer::INT8, &integer::INT8],
        [
            (410, 467, "int8eq"),
            (411, 468, "int8ne"),
            (412, 469, "int8lt"),
            (414, 471, "int8le"),
            (413, 470, "int8gt"),
            (415, 472, "int8ge"),
        ],
    ),
    &comparisons(
        &[&integer::INT2, &integer::INT2],
        [
            (94, 63, "int2eq"),
            (519, 145, "int2ne"),
            (95, 64, "int2lt"),
            (522, 148, "int2le"),
            (520, 146, "int2gt"),
            (524, 151, "int2ge"),
        ],
    ),
    &comparisons(
        &[&integer::INT4, &integer::INT4],
        [
            (96, 65, "int4eq"),
            (518, 144, "int4ne"),
            (97, 66, "int4lt"),
            (523, 149, "int4le"),
            (521, 147, "int4gt"),
            (525, 150, "int4ge"),
        ],
    ),
    &comparisons(
        &[&text::TEXT, &text::TEXT],
        [
            (98, 67, "texteq"),
            (531, 157, "textne"),
            (664, 740, "text_lt"),
            (665, 741, "text_le"),
            (666, 742, "text_gt"),
            (667, 743, "text_ge"),
        ],
    ),
    &comparisons(
        &[&oid::OID, &oid::OID],
        [
            (607, 184, "oideq"),
            (608, 185, "oidne"),
            (609, 716, "oidlt"),
            (611, 717, "oidle"),
            (610, 1638, "oidgt"),
            (612, 1639, "oidge"),
        ],
    ),
    &comparisons(
        &[&float::FLOAT4, &float::FLOAT4],
        [
            (620, 287, "float4eq"),
            (621, 288, "float4ne"),
            (622, 289, "float4lt"),
            (624, 290, "float4le"),
            (623, 291, "float4gt"),
            (625, 292, "float4ge"),
        ],
    ),
    &comparisons(
        &[&float::FLOAT8, &float::FLOAT8],
        [
            (670, 293, "float8eq"),
            (671, 294, "float8ne"),
            (672, 295, "float8lt"),
            (673, 296, "float8le"),
            (674, 297, "float8gt"),
            (675, 298, "float8ge"),
        ],
    ),
    &comparisons(
        &[&text::BPCHAR, &text::BPCHAR],
        [
            (1054, 1048, "bpchareq"),
            (1057, 1053, "bpcharne"),
            (1058, 1049, "bpcharlt"),
            (1059, 1050, "bpcharle"),
            (1060, 1051, "bpchargt"),
            (1061, 1052, "bpcharge"),
        ],
    ),
    &comparisons(
        &[&date::DATE, &date::DATE],
        [
            (1093, 1086, "date_eq"),
            (1094, 1091, "date_ne"),
            (1095, 1087, "date_lt"),
            (1096, 1088, "date_le"),
            (1097, 1089, "date_gt"),
            (1098, 1090, "date_ge"),
        ],
    ),
    &comparisons(
        &[&time::TIME, &time::TIME],
        [
            (1108, 1145, "time_eq"),
            (1109, 1106, "time_ne"),
            (1110, 1102, "time_lt"),
            (1111, 1103, "time_le"),
            (1112, 1104, "time_gt"),
            (1113, 1105, "time_ge"),
        ],
    ),
    &comparisons(
        &[&timestamp::TIMESTAMP, &timestamp::TIMESTAMP],
        [
            (2060, 2052, "timestamp_eq"),
            (2061, 2053, "timestamp_ne"),
            (2062, 2054, "timestamp_lt"),
            (2063, 2055, "timestamp_le"),
            (2064, 2057, "timestamp_gt"),
            (2065, 2056, "timestamp_ge"),
        ],
    ),
    &comparisons(
        &[&timestamp::TIMESTAMPTZ, &timestamp::TIMESTAMPTZ],
        [
            (1320, 1152, "timestamptz_eq"),
            (1321, 1153, "timestamptz_ne"),
            (1322, 1154, "timestamptz_lt"),
            (1323, 1155, "timestamptz_le"),
            (1324, 1157, "timestamptz_gt"),
            (1325, 1156, "timestamptz_ge"),
        ],
    ),
    &comparisons(
        &[&interval::INTERVAL, &interval::INTERVAL],
        [
            (1330, 1162, "interval_eq"),
            (1331, 1163, "interval_ne"),
            (1332, 1164, "interval_lt"),
            (1333, 1165, "interval_le"),
            (1334, 1167, "interval_gt"),
            (1335, 1166, "interval_ge"),
        ],
    ),
    &comparisons(
        &[&numeric::NUMERIC, &numeric::NUMERIC],
        [
            (1752, 1718, "numeric_eq"),
            (1753, 1719, "numeric_ne"),
            (1754, 1722, "numeric_lt"),
            (1755, 1723, "numeric_le"),
            (1756, 1720, "numeric_gt"),
            (1757, 1721, "numeric_ge"),
        ],
    ),
    &comparisons(
        &[&uuid::UUID, &uuid::UUID],
        [
            (2972, 2956, "uuid_eq"),
            (2973, 2959, "uuid_ne"),
            (2974, 2954, "uuid_lt"),
            (2976, 2955, "uuid_le"),
            (2975, 2958, "uuid_gt"),
            (2977, 2957, "uuid_ge"),
        ],
    ),
    &comparisons(
        &[&json::JSONB, &json::JSONB],
        [
            (3240, 4043, "jsonb_eq"),
            (3241, 4038, "jsonb_ne"),
            (3242, 4039, "jsonb_lt"),
            (3244, 4041, "jsonb_le"),
            (3243, 4040, "jsonb_gt"),
            (3245, 4042, "jsonb_ge"),
        ],
    ),
    &comparisons(
        &[&timetz::TIMETZ, &timetz::TIMETZ],
        [
            (1550, 1352, "timetz_eq"),
            (1551, 1353, "timetz_ne"),
            (1552, 1354, "timetz_lt"),
            (1553, 1355, "timetz_le"),
            (1554, 1357, "timetz_gt"),
            (1555, 1356, "timetz_ge"),
        ],
    ),
    &comparisons(
        &[&network::INET, &network::INET],
        [
            (1201, 920, "network_eq"),
            (1202, 925, "network_ne"),
            (1203, 921, "network_lt"),
            (1204, 922, "network_le"),
            (1205, 923, "network_gt"),
            (1206, 924, "network_ge"),
        ],
    ),
    &comparisons(
        &[&network::MACADDR, &network::MACADDR],
        [
            (1220, 830, "macaddr_eq"),
            (1221, 835, "macaddr_ne"),
            (1222, 831, "macaddr_lt"),
            (1223, 832, "macaddr_le"),
            (1224, 833, "macaddr_gt"),
            (1225, 834, "macaddr_ge"),
        ],
    ),
    &comparisons(
        &[&network::MACADDR8, &network::MACADDR8],
        [
            (3362, 4113, "macaddr8_eq"),
            (3363, 4118, "macaddr8_ne"),
            (3364, 4114, "macaddr8_lt"),
            (3365, 4115, "macaddr8_le"),
            (3366, 4116, "macaddr8_gt"),
            (3367, 4117, "macaddr8_ge"),
        ],
    ),
];
