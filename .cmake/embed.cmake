# embed_text(TARGET FILE NAME): compile a text file into the target as `const char NAME[]` and `const size_t NAME_len`.
function(embed_text target file name)
	file(READ ${file} hex HEX)
	string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
	file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.c @ONLY CONTENT
"#include <stddef.h>
extern const char @name@[];
extern const size_t @name@_len;
const char @name@[] = {
@bytes@
0};
const size_t @name@_len = sizeof(@name@) - 1;
")
	target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endfunction()
