/* aws_xml.h - a strict reader of the XML that AWS's older services answer, over expat. Target aws_xml.
 *
 * A text becomes a tree of elements; an element holds either text or other elements. Attributes and name
 * spaces are not looked at. A document type, and with it every entity of its own, is refused.
 */
#ifndef AWS_AWS_XML_H
#define AWS_AWS_XML_H

#include <stdint.h>

#include "base/buffer.h"

enum { AWS_XML_DEPTH_MAX = 24, AWS_XML_ELEMENTS_MAX = 65536, AWS_XML_TEXT_MAX = 4 * 1024 * 1024 };

struct aws_xml; /* a whole document */

/* One element; borrowed from its document. */
struct aws_xml_element {
    const struct aws_xml *document;
    uint32_t index;
};

/* Parses one whole text (UTF-8). E_TOO_LARGE over the limits above; E_INPUT for anything but one well-formed
 * element: a document type, trailing bytes, text beside elements. The text is not echoed. */
must_check result aws_xml_read(struct aws_xml **ret_document, const uint8_t *text, size_t text_len);
void aws_xml_free(struct aws_xml *document);
typedef struct aws_xml aws_xml;
DEFINE_AUTO_POINTER(aws_xml, aws_xml_free)

/* The root, which must be called name. E_INPUT. */
must_check result aws_xml_root(struct aws_xml_element *ret_root, const struct aws_xml *document,
                               const char *name);
/* The only child called name. E_INPUT names it when it is missing, or there twice. */
must_check result aws_xml_child(struct aws_xml_element *ret_child, const struct aws_xml_element *parent,
                                const char *name);
bool aws_xml_has(const struct aws_xml_element *parent, const char *name);
/* The text of the only child called name, not NULL, "" for an empty one; valid as long as the document.
 * E_INPUT, too, when it holds elements. */
must_check result aws_xml_text(const char **ret_text, const struct aws_xml_element *parent, const char *name);
/* The same, and *ret_text is NULL when there is none. */
must_check result aws_xml_text_optional(const char **ret_text, const struct aws_xml_element *parent,
                                        const char *name);

/* Copies the text of the only child called name; E_INPUT, too, when it does not fit. */
must_check result aws_xml_copy_text(char *out, size_t out_capacity, const struct aws_xml_element *parent,
                                    const char *name);

/* The only child called name, which holds nothing but elements <member>, or nothing at all. E_INPUT. */
must_check result aws_xml_list(struct aws_xml_element *ret_list, const struct aws_xml_element *parent,
                               const char *name);
/* Its members one after the other: false behind the last. Begin with *at = 0. */
bool aws_xml_next_member(struct aws_xml_element *ret_member, uint32_t *at,
                         const struct aws_xml_element *list);

#endif
