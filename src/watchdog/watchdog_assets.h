/* watchdog_assets.h - the files of the folder page, as they are in the tree (ns_embed of cmake/module.cmake).
 */
#ifndef WATCHDOG_WATCHDOG_ASSETS_H
#define WATCHDOG_WATCHDOG_ASSETS_H

#include <stddef.h>

extern const char watchdog_asset_index_html[], watchdog_asset_status_css[], watchdog_asset_status_js[],
    watchdog_asset_icon_svg[];
extern const size_t watchdog_asset_index_html_len, watchdog_asset_status_css_len,
    watchdog_asset_status_js_len, watchdog_asset_icon_svg_len;

#endif
