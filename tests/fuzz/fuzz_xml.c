/* fuzz_xml.c - the reader of AWS's XML. What it accepts can be walked: every element has a name and either
 * text or children, and a list's members end. */
#include <string.h>

#include "aws/aws_xml.h"
#include "fuzz.h"

/* Every member of a list, and of the lists in it. */
static size_t walk(const struct aws_xml_element *list, unsigned depth)
{
    struct aws_xml_element member, inner;
    size_t seen = 0;
    const char *text;
    PROMISE(depth <= AWS_XML_DEPTH_MAX);
    for (uint32_t at = 0; aws_xml_next_member(&member, &at, list);) {
        PROMISE(++seen <= AWS_XML_ELEMENTS_MAX);
        if (!aws_xml_list(&inner, &member, "List").code)
            seen += walk(&inner, depth + 1);
        if (!aws_xml_text(&text, &member, "Text").code)
            PROMISE(text && strlen(text) <= AWS_XML_TEXT_MAX);
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element root, list;
    const char *text = NULL;
    if (aws_xml_read(&document, data, size).code) {
        PROMISE(!document);
        return 0;
    }
    PROMISE(document);
    if (aws_xml_root(&root, document, "A").code)
        return 0;
    if (!aws_xml_list(&list, &root, "List").code)
        (void)walk(&list, 1);
    if (!aws_xml_text_optional(&text, &root, "Text").code && text)
        PROMISE(aws_xml_has(&root, "Text"));
    return 0;
}
