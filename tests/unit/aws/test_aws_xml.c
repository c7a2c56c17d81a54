/* test_aws_xml.c - the reader of XML, lib/aws/aws_xml.h. */
#include "testing.h"

#include "aws/aws_xml.h"
#include "base/buffer.h"

static result read_text(struct aws_xml **ret_document, const char *text)
{
    return aws_xml_read(ret_document, (const uint8_t *)text, strlen(text));
}

static void elements_texts_and_lists(void **state)
{
    (void)state;
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element root, list, member, child;
    const char *text = NULL;
    assert_ok(read_text(&document,
                        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<A xmlns=\"http://x/\" b=\"c\">\n"
                        " <One>a &amp; b&#x21;<!-- no -->c</One>\n <Empty/>\n"
                        " <List><member><N>1</N></member><member><N><![CDATA[<2>]]></N></member></List>\n"
                        " <None> </None><Deep><Inner><N>3</N></Inner></Deep>\n</A>\n"));
    assert_fails(E_INPUT, aws_xml_root(&root, document, "B"));
    assert_ok(aws_xml_root(&root, document, "A"));
    assert_ok(aws_xml_text(&text, &root, "One"));
    assert_string_equal(text, "a & b!c");
    assert_ok(aws_xml_text(&text, &root, "Empty"));
    assert_string_equal(text, "");
    assert_ok(aws_xml_text_optional(&text, &root, "Missing"));
    assert_null(text);
    assert_fails(E_INPUT, aws_xml_text(&text, &root, "Missing"));
    assert_error_names("Missing: required");
    assert_fails(E_INPUT, aws_xml_text(&text, &root, "N")); /* not a child: deeper */
    assert_fails(E_INPUT, aws_xml_text(&text, &root, "Deep"));
    assert_error_names("Deep: must be text");
    assert_true(aws_xml_has(&root, "Deep"));
    assert_false(aws_xml_has(&root, "Inner"));

    assert_ok(aws_xml_list(&list, &root, "List"));
    uint32_t at = 0;
    assert_true(aws_xml_next_member(&member, &at, &list));
    assert_ok(aws_xml_text(&text, &member, "N"));
    assert_string_equal(text, "1");
    assert_true(aws_xml_next_member(&member, &at, &list));
    assert_ok(aws_xml_text(&text, &member, "N"));
    assert_string_equal(text, "<2>");
    assert_false(aws_xml_next_member(&member, &at, &list));
    assert_ok(aws_xml_list(&list, &root, "None"));
    at = 0;
    assert_false(aws_xml_next_member(&member, &at, &list));
    assert_fails(E_INPUT, aws_xml_list(&list, &root, "Deep"));
    assert_fails(E_INPUT, aws_xml_list(&list, &root, "One"));
    assert_ok(aws_xml_child(&child, &root, "Deep"));
    assert_ok(aws_xml_child(&child, &child, "Inner"));
    assert_ok(aws_xml_text(&text, &child, "N"));
    assert_string_equal(text, "3");
}

static void what_is_there_twice(void **state)
{
    (void)state;
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element root, child;
    const char *text = NULL;
    assert_ok(read_text(&document, "<A><B>1</B><C/><B>2</B></A>"));
    assert_ok(aws_xml_root(&root, document, "A"));
    assert_fails(E_INPUT, aws_xml_text(&text, &root, "B"));
    assert_error_names("B: is there twice");
    assert_fails(E_INPUT, aws_xml_child(&child, &root, "B"));
}

static void refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{}",
        "<A>",
        "<A></B>",
        "<A/><B/>",
        "<A/>x",
        "<A>text<B/></A>",
        "<A><B/>text</A>",
        "<A>&unknown;</A>",
        "<A>\xff</A>",
        "<A>&#0;</A>",
        "<!DOCTYPE A><A/>",
        "<!DOCTYPE A SYSTEM \"file:///etc/passwd\"><A/>",
        "<!DOCTYPE A [<!ENTITY e \"x\">]><A>&e;</A>",
        "<!DOCTYPE A [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\"><!ENTITY c \"&b;&b;\">]><A>&c;</A>",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct aws_xml *document = NULL;
        assert_fails(E_INPUT, read_text(&document, texts[i]));
        assert_null(document);
    }
    struct aws_xml *document = NULL;
    assert_fails(E_INPUT, aws_xml_read(&document, (const uint8_t *)"<A>\0</A>", 8));
    assert_fails(E_INPUT, read_text(&document, "<!DOCTYPE A><A/>"));
    assert_error_names("document type");
}

static void repeat(struct buffer *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        assert_ok(buffer_append_text(out, text));
}

static result read_nested(size_t depth)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(aws_xml) document = NULL;
    repeat(&text, "<A>", depth);
    repeat(&text, "</A>", depth);
    return aws_xml_read(&document, text.data, text.length);
}

static result read_wide(size_t elements)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(aws_xml) document = NULL;
    assert_ok(buffer_append_text(&text, "<A>"));
    repeat(&text, "<b/>", elements - 1);
    assert_ok(buffer_append_text(&text, "</A>"));
    return aws_xml_read(&document, text.data, text.length);
}

static void limits(void **state)
{
    (void)state;
    AUTO(buffer) large = {0};
    struct aws_xml *document = NULL;
    assert_ok(read_nested(AWS_XML_DEPTH_MAX));
    assert_fails(E_TOO_LARGE, read_nested(AWS_XML_DEPTH_MAX + 1));
    assert_ok(read_wide(AWS_XML_ELEMENTS_MAX));
    assert_fails(E_TOO_LARGE, read_wide(AWS_XML_ELEMENTS_MAX + 1));
    assert_ok(buffer_append_text(&large, "<A>"));
    assert_ok(buffer_reserve(&large, AWS_XML_TEXT_MAX));
    memset(large.data + large.length, 'x', AWS_XML_TEXT_MAX - large.length + 1);
    assert_fails(E_TOO_LARGE, aws_xml_read(&document, large.data, AWS_XML_TEXT_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_texts_and_lists),
        cmocka_unit_test(what_is_there_twice),
        cmocka_unit_test(refused),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
